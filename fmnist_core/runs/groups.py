"""Runs that belong together: the same settings with several seeds; the parts of a cross-validation."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fmnist_core.recipes import TRAINING_IMAGES, TrainingConfig
from fmnist_core.runs import client
from fmnist_core.runs.record import Run, State


@dataclass(frozen=True)
class SeedGroup:
    """Finished runs that differ in nothing but the seed."""

    runs: tuple[Run, ...]
    """The oldest first, each with another seed."""
    waiting: int = 0
    """Runs with the same settings that have not ended yet."""

    @property
    def id(self) -> str:
        """That of its oldest run."""
        return self.runs[0].id

    @property
    def config(self) -> TrainingConfig:
        """The settings, with the seed of the oldest run."""
        return self.runs[0].config

    @property
    def title(self) -> str:
        """The oldest run's, without the number of its seed. Plain text."""
        return re.sub(r",? seed [0-9]+$", "", self.runs[0].title) or self.runs[0].title

    @property
    def name(self) -> str:
        """For runs that are added: the name that its runs have as a group, else one made from its title."""
        return next((run.group for run in self.runs if run.group), f"Seeds of {self.title}")

    def free_seeds(self, count: int) -> list[int]:
        """The lowest seeds that no run of it has."""
        taken = {run.config.seed for run in self.runs}
        return [seed for seed in range(len(taken) + count) if seed not in taken][:count]


def by_seed(runs: Iterable[Run]) -> list[SeedGroup]:
    """All runs that finished undisturbed, by settings; the largest group first. Branches are left out."""
    alike: dict[TrainingConfig, dict[int, Run]] = defaultdict(dict)
    waiting: dict[TrainingConfig, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: run.sequence):
        key = replace(run.config, seed=0)
        if run.is_active:
            waiting[key] += 1
        elif run.state is State.FINISHED and run.latest and not run.parent:
            alike[key].setdefault(run.config.seed, run)
    groups = [SeedGroup(tuple(found.values()), waiting[key]) for key, found in alike.items()]
    return sorted(groups, key=lambda group: (-len(group.runs), -group.runs[-1].sequence))


def train_more_seeds(group: SeedGroup, count: int, owner: str = "") -> list[str]:
    """Put `count` more runs into the queue, with seeds of their own; their ids. Raises RunRefused."""
    return [
        client.start(
            replace(group.config, seed=seed),
            f"{group.title}, seed {seed}"[: client.NAME_LENGTH],
            owner=owner,
            group=group.name,
        )
        for seed in group.free_seeds(count + group.waiting)[group.waiting :]
    ]


# --- Cross-validation ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LabelCheck:
    """Runs that together hold out every training image once."""

    name: str
    runs: tuple[Run, ...]
    """In the order of their folds."""

    @property
    def parts(self) -> int:
        """Runs that it takes."""
        return TRAINING_IMAGES // self.runs[0].config.validation

    @property
    def is_complete(self) -> bool:
        """Whether every training image has been judged by a network that has not seen it."""
        return [run.config.fold for run in self.runs] == list(range(self.parts)) and all(
            run.state is State.FINISHED for run in self.runs
        )

    @property
    def is_active(self) -> bool:
        """Whether something will still happen by itself."""
        return any(run.is_active for run in self.runs)

    def logits(self) -> npt.NDArray[np.float32]:
        """(60,000, 10) float32, each training image's from the run that held it out. Raises OSError, ValueError."""
        parts = [client.folder(run.id).logits(run.step, "validation") for run in self.runs]
        whole = np.concatenate(parts)
        if not self.is_complete or whole.shape != (TRAINING_IMAGES, 10):
            raise ValueError(f"the parts of {self.name} do not cover the training images, got {whole.shape}")
        return whole


def label_checks(runs: Iterable[Run]) -> list[LabelCheck]:
    """The newest first. A check is a group of runs whose held-out blocks divide the training images without a rest."""
    named: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.group and run.config.validation and TRAINING_IMAGES % run.config.validation == 0 and not run.parent:
            named[run.group].append(run)
    checks = [
        LabelCheck(name, tuple(sorted(found, key=lambda run: run.config.fold)))
        for name, found in named.items()
        if len({replace(run.config, fold=0) for run in found}) == 1 and len({run.config.fold for run in found}) > 1
    ]
    return sorted(checks, key=lambda check: -max(run.sequence for run in check.runs))


def start_label_check(config: TrainingConfig, parts: int, runs: Sequence[Run], owner: str = "") -> list[str]:
    """Put `parts` runs into the queue, each holding out another block of the training images. Raises RunRefused."""
    taken = {run.group for run in runs}
    name = next(f"Label check {n}" for n in range(1, len(taken) + 2) if f"Label check {n}" not in taken)
    block = TRAINING_IMAGES // parts
    return [
        client.start(
            replace(config, validation=block, fold=fold), f"{name}, part {fold + 1} of {parts}", owner=owner, group=name
        )
        for fold in range(parts)
    ]

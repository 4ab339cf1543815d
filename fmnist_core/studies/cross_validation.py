"""Runs that together hold out every training image once, for judging labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fmnist_core.runs import client
from fmnist_core.runs.record import Run, State
from fmnist_core.settings.config import TRAINING_IMAGES, TrainingConfig


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

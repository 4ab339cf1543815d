"""Runs that together hold out every training image once, for judging labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fmnist_core.runs import client
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TRAINING_IMAGES, TrainingConfig


@dataclass(frozen=True)
class LabelCheck:
    """Runs that together hold out every training image once."""

    number: str
    """Tells it from other checks."""
    runs: tuple[Run, ...]
    """In the order of their folds."""

    @property
    def name(self) -> str:
        """For people."""
        return f"Label check {self.number}"

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
    """The newest first. Their held-out blocks divide the training images without a rest; of each block the oldest run counts."""
    parts: dict[tuple[str, TrainingConfig], dict[int, Run]] = defaultdict(dict)
    for run in sorted(runs, key=lambda run: run.sequence):
        if run.group and run.group.kind == "label check" and not run.parent and _divides(run.config.validation):
            parts[run.group.name, replace(run.config, fold=0)].setdefault(run.config.fold, run)
    checks = [
        LabelCheck(number, tuple(run for _, run in sorted(found.items())))
        for (number, _), found in parts.items()
        if len(found) > 1
    ]
    return sorted(checks, key=lambda check: -max(run.sequence for run in check.runs))


def _divides(validation: int) -> bool:
    return validation > 0 and TRAINING_IMAGES % validation == 0


def start_label_check(config: TrainingConfig, parts: int, runs: Sequence[Run], owner: str = "") -> list[str]:
    """Put `parts` runs into the queue, each holding out another block of the training images. Raises RunRefused."""
    taken = {run.group for run in runs}
    group = next(g for n in range(1, len(taken) + 2) if (g := Group("label check", str(n))) not in taken)
    block = TRAINING_IMAGES // parts
    return [
        client.start(
            replace(config, validation=block, fold=fold),
            f"Label check {group.name}, part {fold + 1} of {parts}",
            owner=owner,
            group=group,
        )
        for fold in range(parts)
    ]

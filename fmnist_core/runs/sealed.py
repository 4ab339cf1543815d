"""What may be seen of a run: nobody sees what a sweep's runs do on the test images before one of them has been chosen.

Whoever chooses after looking has trained on the test images, a little. So a run of an open sweep is sealed: its measurements
have no test score, and its folder knows no prediction on a test image. This is decided here alone; `client` hands out runs
and folders as they come from here, and no page has to ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.files import read
from fmnist_core.runs.files.folder import RunFolder, is_run_id
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Damaged, Run, RunEvent
from fmnist_core.runs.files.snapshots import Predictions, Snapshots, Split
from fmnist_core.training.events import Measured

CHOICES = ".sweeps"
"""In the runs folder: a file for each sweep in which a run was chosen, which holds its id."""


def chosen(runs: Path, sweep: str) -> str | None:
    """The id of the run that was chosen in the sweep of that name; None as long as none was."""
    try:
        text = read(runs / CHOICES / sweep, 100).decode("ascii").strip() if is_run_id(sweep) else ""
    except (OSError, ValueError):
        return None
    return text if is_run_id(text) else None


def is_open(runs: Path, group: Group | None) -> bool:
    """Whether the group is a sweep in which nothing has been chosen yet."""
    return group is not None and group.kind == "sweep" and chosen(runs, group.name) is None


def as_seen(runs: Path, found: Iterable[Run]) -> list[Run]:
    """The runs as they may be seen."""
    found = list(found)
    hidden = {group for group in {run.group for run in found} if is_open(runs, group)}
    return [_sealed(run) if run.group in hidden else run for run in found]


def folder_as_seen(folder: RunFolder) -> RunFolder:
    """The folder as it may be seen."""
    try:
        group = folder.run().group
    except (OSError, ValueError):
        return folder
    return SealedFolder(folder.path) if is_open(folder.path.parent, group) else folder


@dataclass(frozen=True, eq=False)
class Pictures:
    """What a network may be scored on."""

    split: dataset.SplitName
    """The archive that they are in."""
    indices: npt.NDArray[np.int64]
    """(N,): their places in it, ascending."""

    @property
    def words(self) -> str:
        """What they are called: "test pictures"."""
        return "test pictures" if self.split == "test" else "held-out pictures"

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """(N, 28, 28) uint8."""
        return dataset.load(self.split).images[self.indices]

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """(N,) uint8."""
        return dataset.load(self.split).labels[self.indices]


def scored_on(folder: RunFolder) -> Pictures:
    """The test pictures; of a run whose sweep is open, those of the training pictures that it was never trained on."""
    if not isinstance(folder, SealedFolder):
        return Pictures("test", np.arange(len(dataset.load("test"))))
    config = folder.run().config
    return Pictures("train", dataset.held_out(config.validation, config.fold))


def _sealed(run: Run) -> Run:
    return replace(run, is_sealed=True, measured=tuple(replace(measured, test=None) for measured in run.measured))


@dataclass(frozen=True)
class SealedFolder(RunFolder):
    """A run's folder without what its network does on the test images."""

    @property
    def snapshots(self) -> Snapshots:
        """Without predictions on test images."""
        return SealedSnapshots(self.path / "snapshots")

    def news(self, offset: int = 0, limit: int = 1 << 20) -> tuple[list[RunEvent | Damaged], int]:
        """As `RunFolder.news`; measurements have no test score."""
        told, after = super().news(offset, limit)
        return [replace(event, test=None) if isinstance(event, Measured) else event for event in told], after


@dataclass(frozen=True)
class SealedSnapshots(Snapshots):
    """Snapshots without predictions on test images."""

    def logits(self, step: int, split: Split = "test") -> npt.NDArray[np.float32]:
        """On the held-out images only. Raises FileNotFoundError for the test images."""
        if split == "test":
            raise FileNotFoundError("what this network does on the test images stays hidden until its sweep has chosen")
        return super().logits(step, split)

    def logit_steps(self, split: Split = "test") -> list[int]:
        """None for the test images."""
        return [] if split == "test" else super().logit_steps(split)

    def logits_of(self, image: int, steps: Iterable[int]) -> npt.NDArray[np.float32]:
        """Raises FileNotFoundError for every step."""
        return np.array([self.logits(step)[image] for step in steps], np.float32).reshape(-1, 10)

    def predictions(self) -> Predictions:
        """None."""
        return Predictions(np.empty(0, np.int64), np.empty((0, 0), np.uint8), np.empty((0, 0), np.float32))

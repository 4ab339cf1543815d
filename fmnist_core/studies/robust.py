"""How much of a run's accuracy is left when the test pictures are changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.evaluation.robustness import Kind
from fmnist_core.runs.service.changed import CONDITIONS, Condition, Predicted


@dataclass(frozen=True)
class Point:
    """Accuracy under one condition."""

    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """In [0, 1]."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        return wilson(self.correct, self.total)


@dataclass(frozen=True, eq=False)
class Robustness:
    """One run at one moment, on the test images that count."""

    unchanged: Point
    points: dict[Condition, Point]

    @property
    def mean(self) -> float:
        """Mean accuracy over all conditions, each counting alike."""
        return float(np.mean([point.accuracy for point in self.points.values()]))

    def curve(self, kind: Kind) -> list[tuple[float, Point]]:
        """(strength, point) from unchanged, 0, on: strengths are 1, 2, 3, … in the order of `CONDITIONS`."""
        found = [self.points[condition] for condition in CONDITIONS if condition[0] == kind]
        return list(enumerate([self.unchanged, *found]))


def robustness(
    unchanged: npt.NDArray[np.uint8],
    predicted: Predicted,
    labels: npt.NDArray[np.uint8],
    kept: npt.NDArray[np.bool_] | None = None,
) -> Robustness:
    """Counted from the classes predicted of the test pictures as they are, (10,000,), and of the changed ones.

    `kept`: (10,000,) bool, the images that count; None for all.
    """
    counts = np.ones(len(labels), bool) if kept is None else kept

    def point(classes: npt.NDArray[np.uint8]) -> Point:
        return Point(int((classes == labels)[counts].sum()), int(counts.sum()))

    return Robustness(point(unchanged), {condition: point(classes) for condition, classes in predicted.items()})


def fallen(
    unchanged: npt.NDArray[np.uint8],
    changed: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    kept: npt.NDArray[np.bool_] | None = None,
) -> npt.NDArray[np.int64]:
    """The test images that were right and are wrong when changed, ascending."""
    lost = (unchanged == labels) & (changed != labels)
    return np.flatnonzero(lost if kept is None else lost & kept)

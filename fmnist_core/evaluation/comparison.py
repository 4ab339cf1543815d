"""Two networks on the same pictures: where they differ, and whether that is more than chance. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import Evaluation


@dataclass(frozen=True)
class Difference:
    """Two networks on the same images: where only one of them is right."""

    only_first: npt.NDArray[np.int64]
    """`Evaluation.indices` of the images that only the first has right, ascending."""
    only_second: npt.NDArray[np.int64]

    @property
    def p_value(self) -> float:
        """Chance of a difference at least this large between two networks that are equally good: exact, two-sided.

        McNemar, 1947, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12.
        """
        return mcnemar(len(self.only_first), len(self.only_second))


def difference(first: Evaluation, second: Evaluation) -> Difference:
    """Raises ValueError when they are not about the same images."""
    if not (np.array_equal(first.indices, second.indices) and np.array_equal(first.labels, second.labels)):
        raise ValueError("the two evaluations are not of the same images")
    right, also_right = first.predictions == first.labels, second.predictions == second.labels
    return Difference(first.indices[right & ~also_right], first.indices[~right & also_right])


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided probability, in [0, 1], that a fair coin splits `only_first + only_second` throws at least so unevenly.

    >>> round(mcnemar(5, 15), 6)
    0.041389
    """
    throws, fewer = only_first + only_second, min(only_first, only_second)
    ways = term = 1
    for k in range(fewer):
        term = term * (throws - k) // (k + 1)  # binomial coefficient (throws over k + 1), an exact integer
        ways += term
    return min(1.0, float(Fraction(2 * ways, 2**throws)))


@dataclass(frozen=True)
class ClassDifference:
    """`Difference` on the pictures of one class."""

    name: str
    apart: Difference
    p_value: float
    """McNemar's, as if it were the only class."""
    corrected: float
    """After Holm's correction for ten tests."""


def by_class(apart: Difference, labels: npt.NDArray[np.uint8]) -> list[ClassDifference]:
    """The difference class by class. `labels`: of the whole split, because `apart` has the split's indices."""
    parts = []
    for number in range(len(CLASSES)):
        sides = (indices[labels[indices] == number] for indices in (apart.only_first, apart.only_second))
        parts.append(Difference(*sides))
    p_values = [part.p_value for part in parts]
    return [
        ClassDifference(name, part, p_value, corrected)
        for name, part, p_value, corrected in zip(CLASSES, parts, p_values, holm(p_values), strict=True)
    ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as it counts when all are looked at: below 0.05 for any only in 5 % of the cases without a difference.

    Holm, 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        corrected[position] = highest
    return corrected

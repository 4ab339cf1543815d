"""Two networks on the same pictures: where they differ, and whether that is more than chance. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from fmnist_core.evaluation import Evaluation


@dataclass(frozen=True)
class Difference:
    """Two networks on the same images: where only one of them is right."""

    only_first: npt.NDArray[np.int64]
    """Indices of the images that only the first has right, ascending."""
    only_second: npt.NDArray[np.int64]

    @property
    def p_value(self) -> float:
        """Chance of a difference at least this large between two networks that are equally good: exact, two-sided.

        McNemar, 1947, "Note on the sampling error of the difference between correlated proportions", Psychometrika 12.
        """
        return mcnemar(len(self.only_first), len(self.only_second))


def difference(first: Evaluation, second: Evaluation) -> Difference:
    """Raises ValueError when they are not about the same images."""
    if not np.array_equal(first.labels, second.labels):
        raise ValueError("the two evaluations are not of the same images")
    right, also_right = first.predictions == first.labels, second.predictions == second.labels
    return Difference(np.flatnonzero(right & ~also_right), np.flatnonzero(~right & also_right))


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

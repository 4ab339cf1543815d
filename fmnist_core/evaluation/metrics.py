"""Figures from a confusion matrix, with their intervals: per class, averaged, and which classes are confused.

NumPy only. A matrix is (10, 10) int64, images by [true class, predicted class], as `Evaluation.matrix` gives it. A share
of nothing (precision of a class that is never predicted) is 0, as in scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Interval = tuple[float, float]

RESAMPLES = 1_000
"""Drawn for an interval by bootstrap."""

Average = Literal["macro precision", "macro recall", "macro F1", "weighted precision", "weighted recall", "weighted F1"]
AVERAGES: tuple[Average, ...] = get_args(Average)
"""Macro: the mean over the classes. Weighted: each class counts as often as it has images."""


@dataclass(frozen=True, eq=False)
class ClassFigures:
    """Shares in [0, 1], one for each class; the arrays are (…, 10), for one matrix or many."""

    precision: Floats
    """Of the images predicted as the class, the share that is of it."""
    recall: Floats
    """Of the images of the class, the share that is predicted as it: the tutorial's "accuracy of the class"."""
    f1: Floats
    """Harmonic mean of the two."""
    support: npt.NDArray[np.int64]
    """Images of the class."""

    @property
    def averages(self) -> dict[Average, Floats]:
        """Each of `AVERAGES`, (…)."""
        weights = self.support / np.maximum(self.support.sum(-1, keepdims=True), 1)
        shares = {"precision": self.precision, "recall": self.recall, "F1": self.f1}
        macro = {f"macro {name}": share.mean(-1) for name, share in shares.items()}
        weighted = {f"weighted {name}": (share * weights).sum(-1) for name, share in shares.items()}
        return {name: (macro | weighted)[name] for name in AVERAGES}


def per_class(matrix: Matrix) -> ClassFigures:
    """Precision, recall and F1 of each class. `matrix`: (…, 10, 10).

    >>> figures = per_class(np.array([[8, 2], [4, 6]]))
    >>> [round(float(value), 3) for value in (figures.precision[0], figures.recall[0], figures.f1[0])]
    [0.667, 0.8, 0.727]
    """
    right = np.diagonal(matrix, axis1=-2, axis2=-1)
    support, predicted = matrix.sum(-1), matrix.sum(-2)
    return ClassFigures(
        _share(right, predicted), _share(right, support), _share(2 * right, support + predicted), support
    )


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> Floats:
    shares: Floats = part / np.maximum(whole, 1)  # a part of nothing is nothing: 0
    return shares


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """95 % intervals of the figures that have no formula for one."""

    f1: tuple[Interval, ...]
    """Of each class."""
    averages: Mapping[Average, Interval]


def bootstrap(matrix: Matrix, resamples: int = RESAMPLES, seed: int = 0) -> Bootstrap:
    """Draw as many images as there are, with replacement, `resamples` times; the middle 95 % of each figure.

    The figures depend on the counts alone, so the counts are drawn: from a multinomial distribution over the 100 cells,
    which is the same as drawing images. Percentile method: Efron, 1979, "Bootstrap methods: another look at the jackknife",
    Annals of Statistics 7. Computed once for the same counts: a page draws them again and again.
    """
    total = int(matrix.sum())
    if total < 1:
        raise ValueError("no image, so there is nothing to draw from")
    return _bootstrap(tuple(matrix.ravel().tolist()), len(matrix), resamples, seed)


@lru_cache(maxsize=256)
def _bootstrap(counts: tuple[int, ...], classes: int, resamples: int, seed: int) -> Bootstrap:
    matrix = np.array(counts, np.int64).reshape(classes, classes)
    total = int(matrix.sum())
    random = np.random.default_rng(seed)
    cells = np.flatnonzero(matrix)  # an empty cell stays empty
    drawn = np.zeros((resamples, matrix.size), np.int64)
    drawn[:, cells] = random.multinomial(total, matrix.ravel()[cells] / total, resamples)
    figures = per_class(drawn.reshape(resamples, *matrix.shape))
    return Bootstrap(
        tuple(_middle(figures.f1[:, label]) for label in range(len(matrix))),
        {name: _middle(values) for name, values in figures.averages.items()},
    )


def _middle(values: Floats) -> Interval:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def mean_interval(values: npt.NDArray[np.floating], z: float = 1.959964) -> Interval:
    """The interval that holds the true mean with 95 % confidence: mean ± 1.96 standard errors (central limit theorem).

    `values`: (N,), one for each image, such as `Evaluation.losses`. One image alone tells nothing: (-inf, inf).
    """
    if len(values) < 2:
        return -math.inf, math.inf
    mean, half = float(values.mean()), z * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean - half, mean + half


# --- Confusion -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Images of one class that are taken for another."""

    true: int
    predicted: int
    count: int
    of: int
    """Images of the true class."""


def confused_pairs(matrix: Matrix, most: int) -> list[Pair]:
    """The cells off the diagonal with the most images, at most `most`, none that are empty."""
    errors = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-errors, axis=None, kind="stable")[:most]
    pairs = [divmod(int(cell), len(matrix)) for cell in order]
    return [Pair(t, p, int(errors[t, p]), int(matrix[t].sum())) for t, p in pairs if errors[t, p]]


def similarity_order(matrix: Matrix) -> list[int]:
    """The classes so that those confused with each other stand side by side.

    Of all orders the one with the most confusions, either way, between neighbours: found by dynamic programming over
    sets of classes (Held and Karp, 1962, "A dynamic programming approach to sequencing problems", J. SIAM 10). Of an order
    and its reverse, the one that begins with the lower class.

    >>> similarity_order(np.array([[9, 0, 5], [0, 9, 1], [5, 1, 9]]))
    [0, 2, 1]
    """
    return list(_best_path(tuple(map(tuple, (matrix + matrix.T).tolist()))))


@cache
def _best_path(weights: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """The path through all nodes with the largest sum of weights; a set of nodes is the bits of a number."""
    n = len(weights)
    edges = np.array(weights, np.int64)
    best = np.full((1 << n, n), -1, np.int64)  # by [nodes visited, the last of them]
    came_from = np.zeros((1 << n, n), np.int64)
    for node in range(n):
        best[1 << node, node] = 0
    bits = 1 << np.arange(n)
    for visited in range(1, 1 << n):
        reached = np.where(best[visited, :, None] < 0, -1, best[visited, :, None] + edges)  # (last, next)
        previous = reached.argmax(0)
        gained = reached[previous, np.arange(n)]
        gained[(visited & bits) > 0] = -1  # been there
        after = visited | bits
        better = gained > best[after, np.arange(n)]
        nodes = np.flatnonzero(better)
        best[after[nodes], nodes] = gained[nodes]
        came_from[after[nodes], nodes] = previous[nodes]
    visited, node = (1 << n) - 1, int(best[-1].argmax())
    path = [node]
    while visited != 1 << node:
        visited, node = visited & ~(1 << node), int(came_from[visited, node])
        path.append(node)
    return tuple(path if path[0] < path[-1] else reversed(path))

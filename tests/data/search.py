"""The search that found `fmnist_core/data/duplicates.csv`: all pairs of pictures that are nearly the same."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import Split
from fmnist_core.data.duplicates import ALIKE, Pair, Place

ROWS = 256
"""Pictures compared with their candidates at once."""


def near_copies(train: Split, test: Split, at_most: float = ALIKE) -> list[Pair]:
    """All pairs of pictures, over both splits, at most `at_most` grey levels apart, the nearest first. Nothing is missed.

    The sums of the 49 blocks of 4 x 4 pixels, each a quarter, are never further apart than the pictures (Cauchy-Schwarz), so
    they rule out nearly all of the 2.4 billion pairs; so do brightness and its difference between top and bottom, which are
    projections onto a unit vector. What is left is compared pixel by pixel.
    """
    images = np.concatenate([train.images.reshape(len(train), -1), test.images.reshape(len(test), -1)])  # (N, 784)
    radius = at_most * 28  # Euclidean: sqrt(784) times the root mean square
    found = []
    for a, b in _candidates(_blocks(images), radius):
        squares = ((images[a].astype(np.int32) - images[b]) ** 2).sum(axis=1)
        near = squares <= radius * radius
        pairs = zip(squares[near].tolist(), a[near].tolist(), b[near].tolist(), strict=True)
        found += [(square, min(i, j), max(i, j)) for square, i, j in pairs]

    def place(index: int) -> Place:
        return Place("train", index) if index < len(train) else Place("test", index - len(train))

    return [Pair(square, place(i), place(j)) for square, i, j in sorted(found)]


def _blocks(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 49) float32: a quarter of the sum of each block of 4 x 4 pixels, of images (N, 784)."""
    rows, columns = np.divmod(np.arange(784), 28)
    block_of = np.zeros((784, 49), np.float32)
    block_of[np.arange(784), rows // 4 * 7 + columns // 4] = 0.25
    parts = [images[start : start + 2_000].astype(np.float32) @ block_of for start in range(0, len(images), 2_000)]
    return np.concatenate(parts)


def _candidates(
    blocks: npt.NDArray[np.float32], radius: float
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Indices of the pairs whose blocks are at most `radius` apart, a few too many because of float32, each pair once."""
    brightness = blocks.sum(axis=1) / 7  # a projection onto a unit vector, as is the next one
    balance = (blocks[:, :21].sum(axis=1) - blocks[:, 28:].sum(axis=1)) / 42**0.5
    centred = blocks - blocks.mean(axis=0)
    half = (centred**2).sum(axis=1, keepdims=True) / 2
    left, right = np.hstack([centred, -half, np.ones_like(half)]), np.hstack([centred, np.ones_like(half), -half])
    slab = ((brightness - brightness.min()) // radius).astype(np.int64)
    order = np.lexsort((balance, slab))  # slabs of equal brightness, within each from light tops to light bottoms
    starts = np.searchsorted(slab[order], np.arange(slab.max() + 3))  # where each slab begins, and two empty ones
    for number in range(int(slab.max()) + 1):
        own = order[starts[number] : starts[number + 1]]
        for first in range(0, len(own), ROWS):
            rows = own[first : first + ROWS]
            low, high = balance[rows[0]] - radius, balance[rows[-1]] + radius
            following = order[starts[number + 1] : starts[number + 2]]
            others = np.concatenate([_between(part, balance, low, high) for part in (own[first:], following)])
            apart = left[rows] @ right[others].T  # minus half the squared distance
            i, j = np.nonzero(apart >= -radius * radius / 2 - 50)
            twice = (j <= i) & (j < len(rows))  # `others` begins with `rows` themselves
            yield rows[i[~twice]], others[j[~twice]]


def _between(
    part: npt.NDArray[np.int64], balance: npt.NDArray[np.float32], low: float, high: float
) -> npt.NDArray[np.int64]:
    begin, end = np.searchsorted(balance[part], (low, high))
    return part[begin:end]

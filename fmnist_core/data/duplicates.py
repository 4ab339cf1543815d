"""What is wrong with the published pictures: copies within a split, and test pictures that training has seen. No torch.

Copies byte by byte were reported in 2017 (https://github.com/zalandoresearch/fashion-mnist/issues/44) and taken out of the
files the same day; what is left are copies of the same photograph that differ by a few grey levels. Both are looked for in
the data themselves. C. Geier, 2019, "Training on test data: Removing near-duplicates in Fashion-MNIST", arXiv:1906.08255,
was the first to look for the second kind, with another measure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import Split, SplitName, load

ALIKE = 6.0
"""Two pictures this near, in grey levels (root mean square over the 784 pixels, of 255), count as copies of one photograph.

Chosen by eye: up to 6 all pairs are the same photograph; from 7 on, different trousers begin to be among them.
"""
ROWS = 256
"""Pictures compared with their candidates at once."""


@dataclass(frozen=True, order=True)
class Place:
    """Where a picture is."""

    split: SplitName
    index: int


@dataclass(frozen=True)
class Copies:
    """Two pictures that are the same or nearly so."""

    distance: float
    """Root mean square difference of the pixels, in grey levels of 255; 0 for equal bytes."""
    first: Place
    second: Place
    """Training pictures come before test pictures, lower indices before higher ones."""

    @property
    def is_leak(self) -> bool:
        """A test picture that training has seen."""
        return self.first.split != self.second.split


def exact_copies(train: Split, test: Split) -> list[tuple[Place, ...]]:
    """Pictures with the same bytes, in groups of two and more, found by hashing: about 0.2 s for all 70,000."""
    places: dict[bytes, list[Place]] = defaultdict(list)
    for split in (train, test):
        for index, image in enumerate(split.images):
            places[image.tobytes()].append(Place(split.name, index))
    return [tuple(group) for group in places.values() if len(group) > 1]


def near_copies(train: Split, test: Split, at_most: float = ALIKE) -> list[Copies]:
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

    return [Copies((square / 784) ** 0.5, place(i), place(j)) for square, i, j in sorted(found)]


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


# --- The cleaned test set ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def published_copies() -> tuple[Copies, ...]:
    """`near_copies` of the published data, once per process: a second or two. Raises DatasetError."""
    return tuple(near_copies(load("train"), load("test")))


@lru_cache(maxsize=1)
def published_exact_copies() -> tuple[tuple[Place, ...], ...]:
    """`exact_copies` of the published data, once per process. Raises DatasetError."""
    return tuple(exact_copies(load("train"), load("test")))


def leaked(copies: tuple[Copies, ...]) -> set[int]:
    """Test pictures of which training has seen a copy."""
    return {pair.second.index for pair in copies if pair.is_leak}


def repeated(copies: tuple[Copies, ...]) -> set[int]:
    """Test pictures that are a copy of an earlier test picture, and not in `leaked`."""
    return {pair.second.index for pair in copies if pair.first.split == "test"} - leaked(copies)


def clean_mask(leave_out: set[int], n: int = 10_000) -> npt.NDArray[np.bool_]:
    """(n,) bool: True for the test pictures that stay."""
    mask = np.ones(n, bool)
    mask[sorted(leave_out)] = False
    return mask

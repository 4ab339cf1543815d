"""Pictures that are in the published data twice: within a split, and test pictures that training has seen. No torch.

Copies byte by byte were reported in 2017 (https://github.com/zalandoresearch/fashion-mnist/issues/44) and taken out of the
files the same day: no two of the 70,000 pictures have the same bytes. What is left are copies of the same photograph that
differ by a few grey levels: `duplicates.csv` has them. The data are pinned by their hash, so they are found once: the test
`tests/data/test_duplicates.py` searches all 2.4 billion pairs again. C. Geier, 2019, "Training on test data: Removing
near-duplicates in Fashion-MNIST", arXiv:1906.08255, was the first to look for them, with another measure.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import SplitName

FILE = Path(__file__).with_suffix(".csv")
ALIKE = 6.0
"""Two pictures this near, in grey levels (root mean square over the 784 pixels, of 255), count as copies of one photograph.

Chosen by eye: up to 6 all pairs are the same photograph; from 7 on, different trousers begin to be among them.
"""


@dataclass(frozen=True, order=True)
class Place:
    """Where a picture is."""

    split: SplitName
    index: int


@dataclass(frozen=True)
class Pair:
    """Two pictures of the same photograph."""

    squares: int
    """Sum of the squared differences of the 784 pixels, in grey levels of 255."""
    first: Place
    second: Place
    """Training pictures come before test pictures, lower indices before higher ones."""

    @property
    def distance(self) -> float:
        """Root mean square difference of the pixels, in grey levels of 255."""
        return float((self.squares / 784) ** 0.5)

    @property
    def is_leak(self) -> bool:
        """A test picture that training has seen."""
        return self.first.split != self.second.split


@lru_cache(maxsize=1)
def near_duplicates() -> tuple[Pair, ...]:
    """All pairs of the 70,000 pictures that are at most `ALIKE` apart, the nearest first.

    >>> len(near_duplicates()), sum(pair.is_leak for pair in near_duplicates())
    (45, 12)
    """
    with open(FILE, newline="", encoding="ascii") as file:
        return tuple(
            Pair(
                int(row["squares"]),
                Place(row["first_split"], int(row["first_index"])),  # type: ignore[arg-type]
                Place(row["second_split"], int(row["second_index"])),  # type: ignore[arg-type]
            )
            for row in csv.DictReader(file)
        )


# --- The cleaned test set ------------------------------------------------------------------------------------------


def leaked(pairs: Sequence[Pair]) -> set[int]:
    """Test pictures of which training has seen a copy."""
    return {pair.second.index for pair in pairs if pair.is_leak}


def repeated(pairs: Sequence[Pair]) -> set[int]:
    """Test pictures that are a copy of an earlier test picture, and not in `leaked`."""
    return {pair.second.index for pair in pairs if pair.first.split == "test"} - leaked(pairs)


def clean_mask(leave_out: set[int], n: int = 10_000) -> npt.NDArray[np.bool_]:
    """(n,) bool: True for the test pictures that stay."""
    mask = np.ones(n, bool)
    mask[sorted(leave_out)] = False
    return mask

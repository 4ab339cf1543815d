"""A part of a map that somebody has drawn around, as it stands in an address: `-120_40_35_210_80_-95`.

Whole hundredths of the map's unit, x and y of each corner in turn: at least three corners, at most MOST.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

MOST = 24
"""Corners: what a hand draws is simplified to as many in the browser."""
FURTHEST = 9_999
"""Hundredths from the middle: a map's standard deviation is 100."""

Corners = npt.NDArray[np.float32]
"""(corners, 2), in the units of the map."""


def parse(text: str) -> Corners:
    """The corners. Raises ValueError with a sentence.

    >>> parse("0_0_100_0_0_-50").tolist()
    [[0.0, 0.0], [1.0, 0.0], [0.0, -0.5]]
    """
    if not re.fullmatch(r"-?[0-9]{1,4}(_-?[0-9]{1,4})*", text):
        raise ValueError("The area must be whole numbers between underscores.")
    numbers = [int(number) for number in text.split("_")]
    if len(numbers) % 2 or not 6 <= len(numbers) <= 2 * MOST:
        raise ValueError(f"The area must have 3 to {MOST} corners of two numbers each, not {len(numbers)} numbers.")
    return np.array(numbers, np.float32).reshape(-1, 2) / np.float32(100)


def contains(corners: Corners, points: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """(N,): which of `points`, (N, 2), are within: those from which a ray crosses the border an odd number of times.

    >>> contains(parse("0_0_200_0_200_200_0_200"), np.array([[1, 1], [3, 1]], np.float32)).tolist()
    [True, False]
    """
    x, y = points.T.astype(np.float64)
    inside = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(corners.astype(np.float64), np.roll(corners, -1, 0).astype(np.float64), strict=True):
        spans = (y1 > y) != (y2 > y)
        if y1 != y2:
            inside ^= spans & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return inside

"""Each picture a little different each time: moved, mirrored, with a piece missing.

NumPy draws what happens to each picture, from seed, epoch and batch alone: a paused run goes on with the same pictures,
and any batch can be shown again. The change is then applied by NumPy (`augmented`, for pages) or by torch on the
device that trains (`augment`), pixel for pixel the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

    from fmnist_core.settings.config import TrainingConfig

SIDE = 28
OUTSIDE = SIDE
"""The row, or column, that stands for all those beyond the edge: black."""
PURPOSE = 1
"""Keeps these random numbers apart from those that order the images (NumPy pads a short seed with zeros)."""


@dataclass(frozen=True, eq=False)
class Change:
    """What happens to each of N pictures."""

    rows: npt.NDArray[np.int64]
    """(N, 28): the row of the original that each row shows, 0 to 27, or `OUTSIDE`."""
    columns: npt.NDArray[np.int64]
    """(N, 28): the same for columns."""
    rows_erased: npt.NDArray[np.bool_]
    """(N, 28): the rows of the black square; empty without one."""
    columns_erased: npt.NDArray[np.bool_]
    """(N, 28): its columns."""


def is_augmented(config: TrainingConfig) -> bool:
    """Whether training changes the pictures at all."""
    return bool(config.shift or config.flip or config.erase)


def changes(config: TrainingConfig, count: int, epoch: int, batch: int) -> Change:
    """What training does to `count` images in a row, from the beginning of `batch` (0-based) of `epoch` (0-based) on.

    Shift: each picture by a whole number of pixels from -shift to shift, down and to the right, all equally likely.
    Flip: half of the pictures, left to right. Erase: a square of `erase` x `erase` pixels, its centre anywhere in the
    picture, so that part of it may lie outside (DeVries and Taylor, 2017, "Cutout").
    """
    parts = []
    while count > 0:
        size = min(count, config.batch_size)
        parts.append(_of_one_batch(config, size, np.random.default_rng([config.seed, epoch, batch, PURPOSE])))
        count, batch = count - size, batch + 1
    return Change(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _of_one_batch(
    config: TrainingConfig, size: int, random: np.random.Generator
) -> tuple[npt.NDArray[np.generic], ...]:
    position = np.arange(SIDE)
    down, right = random.integers(-config.shift, config.shift, (2, size, 1), endpoint=True)
    mirrored = random.random((size, 1)) < 0.5 if config.flip else np.zeros((size, 1), bool)
    rows = position - down
    columns = np.where(mirrored, SIDE - 1 - position, position) - np.where(mirrored, -right, right)
    centre = random.integers(0, SIDE, (2, size, 1))
    first = centre - config.erase // 2
    erased = (first <= position) & (position < first + config.erase)  # (2, size, 28)
    inside = [np.where((lines >= 0) & (lines < SIDE), lines, OUTSIDE) for lines in (rows, columns)]
    return inside[0], inside[1], erased[0], erased[1]


def augmented(images: npt.NDArray[np.uint8], change: Change) -> npt.NDArray[np.uint8]:
    """The changed pictures, (N, 28, 28) uint8; the originals stay as they are.

    >>> from fmnist_core.settings.config import TrainingConfig
    >>> config, images = TrainingConfig(flip=True), np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    >>> mirrored = augmented(images, changes(config, 1, epoch=0, batch=0))
    >>> bool((mirrored == images).all() or (mirrored == images[:, :, ::-1]).all())
    True
    """
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1)))
    moved = padded[np.arange(len(images))[:, None, None], change.rows[:, :, None], change.columns[:, None, :]]
    moved[change.rows_erased[:, :, None] & change.columns_erased[:, None, :]] = 0
    return moved


def augment(images: torch.Tensor, change: Change) -> torch.Tensor:
    """What `augmented` does, for images (N, 28, 28) uint8 on any device."""
    import torch
    import torch.nn.functional as F

    rows, columns, rows_erased, columns_erased = (
        torch.from_numpy(lines).to(images.device)
        for lines in (change.rows, change.columns, change.rows_erased, change.columns_erased)
    )
    number = torch.arange(len(images), device=images.device)
    moved = F.pad(images, (0, 1, 0, 1))[number[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.masked_fill_(rows_erased[:, :, None] & columns_erased[:, None, :], 0)

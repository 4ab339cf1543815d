"""Augmentation: pictures that are moved, mirrored and cut as told, and the same ones again when asked again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from fmnist_core.data.augmentation import OUTSIDE, augment, augmented, changes, is_augmented
from fmnist_core.data.dataset import load
from fmnist_core.settings.config import TrainingConfig

EVERYTHING = TrainingConfig(shift=3, flip=True, erase=8, batch_size=64)


@pytest.fixture(scope="module")
def images() -> npt.NDArray[np.uint8]:
    return load("train").images[:500]


def moved(image: npt.NDArray[np.uint8], down: int, right: int) -> npt.NDArray[np.uint8]:
    """By slices: black comes in where the picture has left."""
    canvas = np.zeros((28 + 8, 28 + 8), np.uint8)
    canvas[4 + down : 32 + down, 4 + right : 32 + right] = image
    return canvas[4:32, 4:32]


def test_torch_and_numpy_make_the_same_pictures(images: npt.NDArray[np.uint8]):
    """What a page shows is what training sees, to the pixel."""
    change = changes(EVERYTHING, 500, epoch=1, batch=3)
    shown = augmented(images, change)
    assert np.array_equal(augment(torch.tensor(images), change).numpy(), shown)
    assert not np.array_equal(shown, images)


def test_a_shift_moves_by_whole_pixels_in_every_direction(images: npt.NDArray[np.uint8]):
    """Each picture is the original moved by -2 to 2 pixels down and across; all 25 ways occur."""
    shown = augmented(images, changes(TrainingConfig(shift=2, batch_size=500), 500, epoch=0, batch=0))
    ways = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
    found = []
    for image, original in zip(shown, images, strict=True):
        found.append([way for way in ways if np.array_equal(moved(original, *way), image)])
    assert all(found)
    assert {way for fits in found if len(fits) == 1 for way in fits} == set(ways)


def test_a_flip_mirrors_half_of_the_pictures(images: npt.NDArray[np.uint8]):
    """Each picture is as it was or mirrored, about as many of either."""
    shown = augmented(images, changes(TrainingConfig(flip=True, batch_size=500), 500, epoch=0, batch=0))
    same = (shown == images).all((1, 2))
    assert (same | (shown == images[:, :, ::-1]).all((1, 2))).all()
    assert 200 < same.sum() < 300


def test_an_erased_square_has_its_side_and_everything_else_stays(images: npt.NDArray[np.uint8]):
    """A black square of at most 6 x 6, cut off at the edge; in the middle of the picture it is whole."""
    white = np.full_like(images, 255)
    shown = augmented(white, changes(TrainingConfig(erase=6, batch_size=500), 500, epoch=0, batch=0))
    areas = (shown == 0).sum((1, 2))
    assert areas.max() == 36
    assert areas.min() >= 9  # a corner: the centre is always inside
    for image in shown[:50]:
        rows, columns = np.nonzero(image == 0)
        assert (image[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] == 0).all()


def test_mirrored_and_moved_is_mirrored_first(images: npt.NDArray[np.uint8]):
    """With both, every picture is the original or its mirror image, moved."""
    shown = augmented(images[:60], changes(TrainingConfig(shift=1, flip=True, batch_size=60), 60, epoch=0, batch=0))
    ways = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    for image, original in zip(shown, images, strict=False):
        assert any(np.array_equal(moved(o, *way), image) for o in (original, original[:, ::-1]) for way in ways)


def test_the_same_batch_is_changed_in_the_same_way_again():
    """Nothing but seed, epoch and batch decides; each of the three does. A row of batches is its batches in a row."""

    def rows(seed: int, epoch: int, batch: int) -> npt.NDArray[np.int64]:
        return changes(TrainingConfig(shift=4, batch_size=64, seed=seed), 64, epoch, batch).rows

    first = rows(0, 0, 0)
    assert np.array_equal(first, rows(0, 0, 0))
    for other in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        assert not np.array_equal(first, rows(*other))
    many = changes(TrainingConfig(shift=4, batch_size=64), 200, 0, 0).rows
    assert np.array_equal(many, np.concatenate([rows(0, 0, 0), rows(0, 0, 1), rows(0, 0, 2), many[192:]]))
    assert ((many >= 0) & (many <= OUTSIDE)).all()


def test_without_augmentation_nothing_changes(images: npt.NDArray[np.uint8]):
    """The tutorial's settings leave the pictures alone."""
    assert not is_augmented(TrainingConfig())
    assert np.array_equal(augmented(images, changes(TrainingConfig(), 500, 0, 0)), images)

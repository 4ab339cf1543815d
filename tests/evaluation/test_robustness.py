"""Changed pictures, against SciPy and Pillow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fmnist_core.data import dataset
from fmnist_core.evaluation import robustness
from fmnist_core.evaluation.robustness import CHANGES, CURVES, family

IMAGES = np.array(dataset.load("test").images[:8])


@pytest.mark.parametrize("kind", CHANGES)
def test_neutral_changes_nothing(kind: str):
    """The amount that the table calls neutral gives the same picture."""
    change = CHANGES[kind]
    assert np.array_equal(change.apply(IMAGES, change.neutral), IMAGES)
    if kind in CURVES:
        assert change.neutral in change.amounts
        assert np.array_equal(family(IMAGES[0], kind)[change.amounts.index(change.neutral)], IMAGES[0])


@pytest.mark.parametrize("kind", [kind for kind, change in CHANGES.items() if change.strengths])
def test_stronger_is_further_away(kind: str):
    """Each strength leaves the pictures less alike than the one before, in uint8 and without touching the originals."""
    before, change = IMAGES.copy(), CHANGES[kind]
    away = [np.abs(change.apply(IMAGES, amount).astype(int) - IMAGES).mean() for amount in change.strengths]
    assert away == sorted(away)
    assert away[0] > 0
    assert np.array_equal(IMAGES, before)


@pytest.mark.parametrize("degrees", [-37.5, 12, 90])
def test_turned_as_scipy(degrees: float):
    """Counterclockwise, bilinear, black outside."""
    wide = np.pad(IMAGES, ((0, 0), (8, 8), (8, 8))).astype(float)
    expected = ndimage.rotate(wide, degrees, axes=(1, 2), reshape=False, order=1)[:, 8:-8, 8:-8]
    assert np.abs(robustness.turned(IMAGES, degrees) - expected).max() <= 1


def test_blurred_as_scipy():
    """Three deviations wide, black beyond the edge."""
    expected = [ndimage.gaussian_filter(image.astype(float), 1.0, mode="constant", truncate=3) for image in IMAGES]
    assert np.abs(robustness.blurred(IMAGES, 1.0) - np.array(expected)).max() <= 1


def test_thickened_as_scipy():
    """Gray dilation and erosion by a square of three."""
    grown = [ndimage.grey_dilation(image, (3, 3)) for image in IMAGES]
    thinned = [ndimage.grey_erosion(image, (5, 5)) for image in IMAGES]
    assert np.array_equal(robustness.thickened(IMAGES, 1), grown)
    assert np.array_equal(robustness.thickened(IMAGES, -2), thinned)


def test_shifts_take_all_four_directions():
    """Right, down, left, up, from picture to picture."""
    moved = CHANGES["shift"].apply(IMAGES, 3)
    for n, (down, right) in enumerate(((0, 3), (3, 0), (0, -3), (-3, 0))):
        expected = ndimage.shift(IMAGES[n].astype(float), (down, right), order=0, prefilter=False)
        assert np.array_equal(moved[n], expected.astype(np.uint8))
        assert np.array_equal(moved[n + 4] > 0, robustness.shifted(IMAGES[n + 4 : n + 5], right, down)[0] > 0)


def test_scaled_keeps_the_middle():
    """Twice as small has a quarter of the ink, in the middle."""
    bright = np.zeros((1, 28, 28), np.uint8)
    bright[0, 6:22, 6:22] = 200
    small = robustness.scaled(bright, 0.5)
    assert small.sum() == pytest.approx(bright.sum() / 4, rel=0.1)
    assert small[0, 10:18, 10:18].min() == 200
    assert small[0, :9].max() == 0

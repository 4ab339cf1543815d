"""Nearest images: against scikit-learn, on the real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fmnist_core.data import dataset
from fmnist_core.evaluation.neighbours import nearest


def test_nearest_pictures_are_scikit_learns():
    """Same pictures, same distances, over several chunks."""
    train, test = dataset.load("train").images[:9_000], dataset.load("test").images[:20]
    found, distances = nearest(test, train, 6)
    reference = NearestNeighbors(n_neighbors=6, algorithm="brute").fit(train.reshape(9_000, -1).astype(np.float64))
    theirs, indices = reference.kneighbors(test.reshape(20, -1).astype(np.float64))
    assert np.array_equal(found, indices)
    assert distances == pytest.approx(theirs)


def test_nearest_in_half_precision():
    """What a network makes of images is kept as float16: distances are of exactly those values."""
    random = np.random.default_rng(0)
    features = random.random((5_000, 50)).astype(np.float16)
    found, distances = nearest(features[:9] + np.float16(0.01), features, 3)
    theirs, indices = NearestNeighbors(n_neighbors=3).fit(features).kneighbors(features[:9] + np.float16(0.01))
    assert np.array_equal(found, indices)
    assert distances == pytest.approx(theirs)
    assert found[:, 0].tolist() == list(range(9))


def test_equally_near_are_in_order():
    """The lower index first; a picture is at distance 0 from itself."""
    images = np.zeros((5, 28, 28), np.uint8)
    images[3] = 1
    found, distances = nearest(images[:1], images, 5)
    assert found.tolist() == [[0, 1, 2, 4, 3]]
    assert distances.tolist() == [[0, 0, 0, 0, 28.0]]


@pytest.mark.parametrize("count", [0, 6])
def test_more_neighbours_than_images_are_refused(count: int):
    with pytest.raises(ValueError, match="wanted"):
        nearest(np.zeros((1, 4)), np.zeros((5, 4)), count)

"""The flag "unlike anything it was trained on"."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fmnist_core.data import dataset
from fmnist_core.evaluation.strangers import FIGURES, Familiar, auroc, figures

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def familiar() -> Familiar:
    """Without a network: pixels, halved in both directions, stand for a hidden layer."""
    images = dataset.load("train").images[::15]
    return Familiar.fit(images, halved(images))


def halved(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), 14, 2, 14, 2).mean((2, 4)).reshape(len(images), -1)


def test_auroc_as_scikit_learn():
    """Also with many ties."""
    for high in (3, 1_000_000):
        usual, strange = RANDOM.integers(0, high, 500), RANDOM.integers(0, high, 300) + high // 3
        expected = roc_auc_score(np.r_[np.zeros(500), np.ones(300)], np.r_[usual, strange])
        assert auroc(usual, strange) == pytest.approx(expected)


def test_five_of_a_hundred_false_alarms(familiar: Familiar):
    """The line is drawn on training pictures; of test pictures, which it has not seen, about as many are flagged."""
    test = dataset.load("test").images[:2_000]
    assert 0.03 < familiar.of(test, halved(test)).is_stranger.mean() < 0.08


def test_strangers_are_caught_and_the_reason_fits(familiar: Familiar):
    """Noise, negatives and half-size pictures; the sentence names a figure and what it is in training."""
    test = dataset.load("test").images[:200]
    noise = RANDOM.integers(0, 256, (200, 28, 28), np.uint8)
    small = np.pad(test[:, ::2, ::2], ((0, 0), (7, 7), (7, 7)))
    for strange in (noise, 255 - test, small):
        found = familiar.of(strange, halved(strange))
        assert found.is_stranger.mean() > 0.95
        assert np.array_equal(found.rank, np.maximum(found.by_picture, found.by_network))
    reason = familiar.of(255 - test[:1], halved(255 - test[:1])).reasons[0]
    assert reason.startswith("100 % of the border is lit; in 95 of 100 training pictures")


def test_without_a_hidden_layer(familiar: Familiar):
    """The figures alone decide, and hidden values are not needed."""
    images = dataset.load("train").images[::15]
    alone = Familiar.fit(images)
    found = alone.of(images[:50])
    assert np.array_equal(found.by_network, found.by_picture)
    with pytest.raises(ValueError, match="need hidden values"):
        familiar.of(images[:50])
    with pytest.raises(ValueError, match="at least 100"):
        Familiar.fit(images[:10])


def test_neighbours_in_the_hidden_layer(familiar: Familiar):
    """A training picture that was not set aside is its own nearest neighbour."""
    images = dataset.load("train").images[::15]
    found = familiar.neighbours(halved(images[1:4]), 3)
    assert found[:, 0].tolist() == [1, 2, 3]


def test_figures_are_shares():
    """All nine between 0 and 1, for whatever picture."""
    pictures = np.concatenate([RANDOM.integers(0, 256, (20, 28, 28), np.uint8), np.full((1, 28, 28), 255, np.uint8)])
    found = figures(pictures)
    assert found.shape == (21, len(FIGURES))
    assert (found >= 0).all()
    assert (found <= 1).all()

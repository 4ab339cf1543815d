"""Copies among the published pictures, and labels to doubt: against counting it all out, and against cleanlab."""

from __future__ import annotations

import numpy as np

from fmnist_core.data import duplicates
from fmnist_core.data.dataset import Split, load
from fmnist_core.data.duplicates import near_duplicates
from tests.data.search import near_copies


def split(name: str, images: np.ndarray) -> Split:
    """A split of these images, all of class 0."""
    return Split(name, images, np.zeros(len(images), np.uint8))  # type: ignore[arg-type]


def test_published_pictures_hold_no_exact_copy():
    """The 54 groups reported in 2017 are of an older release: no two of the 70,000 pictures have the same bytes."""
    images = np.concatenate([load("train").images, load("test").images]).reshape(70_000, 784)
    assert len(np.unique(images.view("V784"))) == 70_000


def test_the_pairs_that_are_shipped_are_all_there_are():
    """The search through all 2.4 billion pairs finds these and no other, in this order."""
    assert near_copies(load("train"), load("test")) == list(near_duplicates())


def test_near_copies_are_those_that_comparing_every_pair_finds():
    """The shortcuts leave out no pair, on 1,500 trousers, the class with the most look-alikes."""
    train, test = load("train"), load("test")
    trousers = np.flatnonzero(train.labels == 1)[:1_200], np.flatnonzero(test.labels == 1)[:300]
    parts = split("train", np.array(train.images[trousers[0]])), split("test", np.array(test.images[trousers[1]]))
    pixels = np.concatenate([part.images for part in parts]).reshape(1_500, 784).astype(np.float64)
    norms = (pixels**2).sum(axis=1)
    distances = np.sqrt(np.maximum(norms[:, None] + norms - 2 * pixels @ pixels.T, 0) / 784)
    pairs = {(i, j) for i, j in np.argwhere(distances <= 20).tolist() if i < j}
    found = near_copies(*parts, at_most=20)
    places = [(pair.first, pair.second) for pair in found]
    numbers = {tuple(p.index + 1_200 * (p.split == "test") for p in pair) for pair in places}
    assert numbers == pairs
    assert len(pairs) > 100
    assert [pair.distance for pair in found] == sorted(pair.distance for pair in found)


def test_cleaned_test_set_leaves_out_what_training_has_seen():
    """Seven test pictures have a copy in the training set, one of them in the test set too: only they are left out."""
    pairs = near_duplicates()
    images = {"train": load("train").images, "test": load("test").images}
    for pair in pairs:
        a, b = (images[place.split][place.index].astype(float) for place in (pair.first, pair.second))
        assert np.sqrt(((a - b) ** 2).mean()) == pair.distance <= duplicates.ALIKE
    out = duplicates.leaked(pairs) | duplicates.repeated(pairs)
    assert len(out) == 7
    assert np.flatnonzero(~duplicates.clean_mask(out)).tolist() == sorted(out)

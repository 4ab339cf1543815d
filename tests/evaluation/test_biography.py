"""When an image was learned and whether it was forgotten, against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fmnist_core.evaluation.biography import Biographies, stretches


def by_hand(right: list[bool], steps: list[int]) -> tuple[int, int, bool]:
    """(learned at, times forgotten, never right) of one image, as a person would read its strip."""
    learned = -1
    for place in range(len(right)):
        if all(right[place:]):
            learned = steps[place]
            break
    forgotten = sum(before and not after for before, after in itertools.pairwise(right))
    return learned, forgotten, not any(right)


def test_every_figure_is_what_a_person_counts():
    """1,000 random strips of twelve moments."""
    chance = np.random.default_rng(0)
    steps = sorted(chance.choice(1000, 12, replace=False).tolist())
    labels = chance.integers(0, 3, 1000).astype(np.uint8)
    predictions = chance.integers(0, 3, (12, 1000)).astype(np.uint8)
    predictions[6:, :200] = labels[:200]  # some are learned for good
    found = Biographies(steps, predictions, labels)
    for i in range(1000):
        column = predictions[:, i].tolist()
        expected = by_hand([guess == labels[i] for guess in column], steps)
        assert (found.learned_at[i], found.forgotten[i], found.never_learned[i]) == expected
        assert found.changes[i] == sum(a != b for a, b in itertools.pairwise(column))
        assert found.unforgettable[i] == (any(predictions[:, i] == labels[i]) and expected[1] == 0)


def test_one_moment_is_a_short_life():
    """A run that was only measured before training: nothing can be forgotten yet."""
    found = Biographies([0], np.array([[4, 5]], np.uint8), np.array([4, 4], np.uint8))
    assert found.learned_at.tolist() == [0, -1]
    assert found.forgotten.tolist() == [0, 0]
    assert found.never_learned.tolist() == [False, True]


def test_strips_tell_every_moment():
    """Stretches, put one after the other, are the predictions again."""
    predictions = np.random.default_rng(1).integers(0, 4, 100).astype(np.uint8)
    again = [guess for guess, moments in stretches(predictions) for _ in range(moments)]
    assert again == predictions.tolist()


def test_shapes_that_do_not_fit_are_refused():
    """The message names them."""
    with pytest.raises(ValueError, match="3 moments and 2 images"):
        Biographies([0, 1, 2], np.zeros((2, 2), np.uint8), np.zeros(2, np.uint8))

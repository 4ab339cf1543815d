"""Which settings a sweep tries."""

from __future__ import annotations

import pytest

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.search import HELD_OUT, SCALES, at_random, expected_good, grid, has_sampler

BASE = TrainingConfig(epochs=1)
RANGES = {"learning_rate": (0.005, 0.1), "batch_size": (20, 256), "dropout": (0.0, 0.5)}


def test_grid_holds_every_combination_and_both_ends():
    """2 x 2 x 2 runs at two points each: the corners; all hold the same images out."""
    configs = grid(BASE, RANGES, 2)
    assert len(set(configs)) == 8
    assert {config.learning_rate for config in configs} == {0.005, 0.1}
    assert {config.batch_size for config in configs} == {20, 256}
    assert {(config.validation, config.fold) for config in configs} == {(HELD_OUT, 0)}
    assert {config.momentum for config in configs} == {BASE.momentum}


def test_sample_is_repeatable_within_its_ranges_and_without_repetition():
    """The same seed gives the same runs; a small space gives as many as it has."""
    configs = at_random(BASE, RANGES, 20, seed=1)
    assert configs == at_random(BASE, RANGES, 20, seed=1)
    assert configs != at_random(BASE, RANGES, 20, seed=2)
    assert len(set(configs)) == 20
    for config in configs:
        assert 0.005 <= config.learning_rate <= 0.1
        assert 20 <= config.batch_size <= 256
    assert len(at_random(BASE, {"batch_size": (20, 32)}, 20, seed=0)) == 2


@pytest.mark.parametrize("name", SCALES)
def test_every_value_of_every_scale_is_a_setting(name: str):
    """Nothing on the page can ask for a run that is refused, and the usual range is on the scale."""
    scale = SCALES[name]
    assert list(scale.values) == sorted(scale.values)
    assert {scale.low, scale.high} <= set(scale.values)
    assert len(grid(BASE, {name: (scale.values[0], scale.values[-1])}, len(scale.values))) == len(scale.values)


@pytest.mark.skipif(not has_sampler(), reason="Optuna is not installed (requirements-extra.txt)")
def test_sampler_goes_where_accuracy_was_high():
    """Accuracy that grows with the learning rate draws new runs to the upper half of its scale, none of them known."""
    ranges = {"learning_rate": (0.0001, 0.5), "dropout": (0.0, 0.7)}
    first = at_random(BASE, ranges, 20, seed=0)
    values = SCALES["learning_rate"].values
    known = [(config, values.index(config.learning_rate) / len(values)) for config in first]
    new = expected_good(BASE, ranges, known, 6, seed=0)
    assert len(set(new) - set(first)) == 6
    assert sum(values.index(config.learning_rate) >= 6 for config in new) >= 5

"""Spread over seeds and what a difference takes: against SciPy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from fmnist_core.evaluation.spread import Spread, expected_best, pooled_deviation, power, seeds_needed, t_test

ACCURACIES = [0.8712, 0.8764, 0.8737, 0.8751, 0.8699], [0.8781, 0.8743, 0.8806, 0.8779]


def test_interval_of_a_mean_is_scipys():
    """Student's interval of five accuracies."""
    ours = Spread.of(ACCURACIES[0])
    theirs = stats.t.interval(0.95, 4, loc=np.mean(ACCURACIES[0]), scale=stats.sem(ACCURACIES[0]))
    assert ours.interval == pytest.approx(theirs, rel=1e-7)
    assert all(math.isnan(end) for end in Spread.of([0.87]).interval)


def test_welchs_test_is_scipys():
    """Five runs against four."""
    ours = t_test(*(Spread.of(values) for values in ACCURACIES))
    assert ours == pytest.approx(stats.ttest_ind(*ACCURACIES, equal_var=False).pvalue, rel=1e-5)


@pytest.mark.parametrize("effect", [3.7, 1.2, 0.4, 0.11])
def test_power_and_seeds_needed_are_statsmodels(effect: float):
    """For differences of several standard deviations down to a tenth of one."""
    theirs = TTestIndPower()
    for n in (2, 5, 40) if effect < 2 else (2, 5):  # beyond that, theirs is nan
        assert power(effect * 0.003, 0.003, n) == pytest.approx(theirs.power(effect, n, 0.05), abs=1e-6)
    needed = max(2, math.ceil(theirs.solve_power(effect_size=effect, alpha=0.05, power=0.8)))
    assert seeds_needed(effect * 0.003, 0.003) == needed


def test_what_no_number_of_seeds_shows():
    """No difference at all, or one of a thousandth of the spread."""
    assert seeds_needed(0.0, 0.003) is None
    assert seeds_needed(0.000003, 0.003) is None


def test_pooled_deviation_is_that_of_the_equal_variance_test():
    """The t statistic with it is SciPy's."""
    first, second = (Spread.of(values) for values in ACCURACIES)
    t = (first.mean - second.mean) / (pooled_deviation(first, second) * math.sqrt(1 / 5 + 1 / 4))
    assert t == pytest.approx(stats.ttest_ind(*ACCURACIES).statistic)


def test_the_best_of_several_is_what_drawing_gives():
    """Means of the highest of n draws, from 200,000 experiments each."""
    random = np.random.default_rng(0)
    for n in (2, 5, 20):
        assert expected_best(n) == pytest.approx(random.normal(size=(200_000, n)).max(axis=1).mean(), abs=0.01)

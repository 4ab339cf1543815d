"""Spread over seeds and what a difference takes: against SciPy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower

from fmnist_core.evaluation.spread import (
    Spread,
    expected_best,
    pooled_deviation,
    power,
    seeds_needed,
    t_below,
    t_quantile,
    t_test,
)

ACCURACIES = [0.8712, 0.8764, 0.8737, 0.8751, 0.8699], [0.8781, 0.8743, 0.8806, 0.8779]


@pytest.mark.parametrize("freedom", [1, 1.37, 2, 3, 8, 41.5, 398])
@pytest.mark.parametrize("t", [-30.0, -4.1, -0.3, 0.0, 1.9, 7.0])
def test_students_distribution_is_scipys(freedom: float, t: float):
    """From one degree of freedom on, whole or not, in the middle and in the tails."""
    assert t_below(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=2e-8)


@pytest.mark.parametrize(("freedom", "shift"), [(2, 0.8), (8, 3.2), (60, 2.8)])
def test_the_non_central_one_too(freedom: float, shift: float):
    """Which is what power is made of."""
    for t in (-1.0, 0.5, 2.3, 5.0):
        assert t_below(t, freedom, shift) == pytest.approx(stats.nct.cdf(t, freedom, shift), abs=1e-7)


@pytest.mark.parametrize("freedom", [1, 3, 30])
def test_quantiles_are_scipys(freedom: int):
    """The limits of 95 % intervals."""
    assert t_quantile(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-6)


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

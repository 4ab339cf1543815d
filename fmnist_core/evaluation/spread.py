"""What training again with other seeds does: mean, spread, and how many seeds a difference takes to be seen.

No SciPy: Student's distribution, central and not, is one integral here. Tests hold it against SciPy and statsmodels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

POWER, LEVEL = 0.8, 0.05
"""A difference that is there shall be found in 80 % of the experiments; one that is not, in 5 %."""
MOST_SEEDS = 10_000
"""Where `seeds_needed` stops counting."""


@dataclass(frozen=True)
class Spread:
    """One figure over several runs that differ in nothing but the seed."""

    n: int
    mean: float
    deviation: float
    """Standard deviation between runs (divisor n - 1); nan for one run."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises ValueError where there is no value.

        >>> Spread.of([1.0, 2.0, 3.0])
        Spread(n=3, mean=2.0, deviation=1.0)
        """
        if not len(values):
            raise ValueError("need at least one value")
        return cls(
            len(values), float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        )

    @property
    def interval(self) -> tuple[float, float]:
        """Holds, with 95 % confidence, the mean over very many seeds (Student's t); (nan, nan) for one run."""
        if self.n < 2:
            return math.nan, math.nan
        half = t_quantile(1 - LEVEL / 2, self.n - 1) * self.deviation / math.sqrt(self.n)
        return self.mean - half, self.mean + half


def t_test(first: Spread, second: Spread) -> float:
    """Chance of a difference of means at least this large if both have the same mean: Welch's t test, two-sided.

    Welch, 1947, "The generalization of Student's problem", Biometrika 34. Raises ValueError below two runs each.
    """
    if first.n < 2 or second.n < 2:
        raise ValueError(f"need two runs of each, got {first.n} and {second.n}")
    a, b = first.deviation**2 / first.n, second.deviation**2 / second.n
    if a + b == 0:
        return float(first.mean == second.mean)
    freedom = (a + b) ** 2 / (a**2 / (first.n - 1) + b**2 / (second.n - 1))
    return 2 * t_below(-abs(first.mean - second.mean) / math.sqrt(a + b), freedom)


def pooled_deviation(first: Spread, second: Spread) -> float:
    """The standard deviation between runs that both share, as the t test with equal variances has it."""
    squares = (first.n - 1) * first.deviation**2 + (second.n - 1) * second.deviation**2
    return math.sqrt(squares / (first.n + second.n - 2))


def power(difference: float, deviation: float, n: int) -> float:
    """Chance that a two-sample t test with `n` runs on each side finds a `difference` of means that is there.

    Cohen, 1988, "Statistical Power Analysis for the Behavioral Sciences", chapter 2: the non-central t distribution.

    >>> round(power(0.5, 1.0, 64), 3)
    0.801
    """
    freedom, shift = 2 * n - 2, abs(difference) / deviation * math.sqrt(n / 2)
    limit = t_quantile(1 - LEVEL / 2, freedom)
    return 1 - t_below(limit, freedom, shift) + t_below(-limit, freedom, shift)


def seeds_needed(difference: float, deviation: float) -> int | None:
    """Runs on each side for which `power` reaches 80 %; None where it takes more than `MOST_SEEDS`.

    >>> seeds_needed(0.5, 1.0)
    64
    """
    if difference == 0:
        return None
    if deviation == 0:
        return 2
    rough = 2 * ((1.959964 + 0.841621) * deviation / difference) ** 2  # with the normal distribution: always too few
    n = max(2, math.floor(rough))
    while n <= MOST_SEEDS and power(difference, deviation, n) < POWER:
        n += 1
    return n if n <= MOST_SEEDS else None


@lru_cache(maxsize=256)
def expected_best(n: int) -> float:
    """How far the best of `n` draws from one normal distribution lies above its mean, in standard deviations.

    >>> [round(expected_best(n), 3) for n in (1, 2, 10)]
    [0.0, 0.564, 1.539]
    """
    x = np.linspace(-9, 9, 3_601)
    density = np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    below = np.cumsum(density) * (x[1] - x[0]) - density * (x[1] - x[0]) / 2  # the integral up to x, by trapezes
    return float(np.sum(x * n * density * below ** (n - 1)) * (x[1] - x[0]))


# --- Student's distribution ----------------------------------------------------------------------------------------


def t_below(t: float, freedom: float, shift: float = 0.0) -> float:
    """P(T <= t) for Student's T with `freedom` degrees, non-central by `shift`: (Z + shift) / S, Z normal, freedom * S² chi-squared.

    The normal probability of t S - shift, averaged over S, by Simpson's rule in the square root of S.

    >>> round(t_below(-2.776445, 4), 4)
    0.025
    """
    root = np.linspace(0, math.sqrt(1 + 12 / math.sqrt(freedom)), 1_001)
    s = root**2
    logarithm = (freedom - 1) * np.log(np.maximum(s, 1e-300)) - freedom * s**2 / 2
    constant = math.log(2) + freedom / 2 * math.log(freedom / 2) - math.lgamma(freedom / 2)
    weights = np.full(len(s), 2.0)
    weights[1::2] = 4.0
    weights[0] = weights[-1] = 1.0
    density = np.exp(logarithm + constant) * 2 * root * weights * (root[1] / 3)
    below = np.array([math.erfc(z) for z in ((shift - t * s) / math.sqrt(2)).tolist()]) / 2
    return float(density @ below)


@lru_cache(maxsize=1_024)
def t_quantile(share: float, freedom: float) -> float:
    """The t with P(T <= t) = `share`, for `share` above 0.5: by bisection.

    >>> round(t_quantile(0.975, 4), 3)
    2.776
    """
    low, high = 0.0, 1.0
    while t_below(high, freedom) < share:
        low, high = high, 2 * high
    for _ in range(45):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < share else (low, middle)
    return (low + high) / 2

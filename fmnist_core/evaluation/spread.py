"""What training again with other seeds does: mean, spread, and how many seeds a difference takes to be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import nctdtr, stdtr, stdtrit  # of SciPy only these: `scipy.stats` would cost a page 60 MB

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
        half = float(stdtrit(self.n - 1, 1 - LEVEL / 2)) * self.deviation / math.sqrt(self.n)
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
    return 2 * float(stdtr(freedom, -abs(first.mean - second.mean) / math.sqrt(a + b)))


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
    limit = stdtrit(freedom, 1 - LEVEL / 2)
    return float(1 - nctdtr(freedom, shift, limit) + nctdtr(freedom, shift, -limit))


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

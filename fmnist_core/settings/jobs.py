"""Short work beside ordinary runs, in the same queue: finding a learning rate, racing many copies. No torch.

A job is a run whose `config.json` names more than settings: same folder, events, lock and route, but it trains nothing
that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from fmnist_core.settings.config import HIGHEST_LEARNING_RATE, TrainingConfig

Vary = Literal["seed", "learning_rate"]

LARGEST_RACE = 64


@dataclass(frozen=True, kw_only=True)
class RateTest:
    """Train while the learning rate grows from step to step, and see where the loss falls and where it explodes.

    Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2015), section 3.3; with an exponential
    growth, as in fastai.
    """

    steps: int = 150
    """Weight updates."""
    lowest: float = 1e-4
    """Learning rate of the first step."""
    highest: float = HIGHEST_LEARNING_RATE
    """Learning rate of the last step."""

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not 10 <= self.steps <= 1000:
            raise ValueError(f"steps must be a whole number from 10 to 1,000, got {self.steps!r}")
        _check_rates(self.lowest, self.highest)

    def learning_rate(self, step: int) -> float:
        """The rate of a step, counted from 0.

        >>> [round(RateTest(steps=10, lowest=0.001, highest=1.0).learning_rate(step), 4) for step in (0, 3, 9)]
        [0.001, 0.01, 1.0]
        """
        return _between(self.lowest, self.highest, step / (self.steps - 1))


@dataclass(frozen=True, kw_only=True)
class Race:
    """Copies of one network that differ in one setting, trained at once as one batched model."""

    copies: int = 16
    """How many, from 2 to 64."""
    vary: Vary = "seed"
    """"seed": first weights, order of the images and dropout. "learning_rate": same seed, another rate each."""
    lowest: float = 0.001
    """The smallest learning rate, where those differ."""
    highest: float = 1.0
    """The largest learning rate, where those differ."""

    def __post_init__(self) -> None:
        if type(self.copies) is not int or not 2 <= self.copies <= LARGEST_RACE:
            raise ValueError(f"copies must be a whole number from 2 to {LARGEST_RACE}, got {self.copies!r}")
        if self.vary not in get_args(Vary):
            raise ValueError(f"vary must be one of {', '.join(get_args(Vary))}, got {self.vary!r}")
        _check_rates(self.lowest, self.highest)

    def seeds(self, config: TrainingConfig) -> tuple[int, ...]:
        """The seed of each copy.

        >>> Race(copies=3).seeds(TrainingConfig(seed=5))
        (5, 6, 7)
        """
        if self.vary == "seed":
            return tuple((config.seed + copy) % 2**32 for copy in range(self.copies))
        return (config.seed,) * self.copies

    def learning_rates(self, config: TrainingConfig) -> tuple[float, ...]:
        """The learning rate of each copy, to three digits.

        >>> Race(copies=4, vary="learning_rate").learning_rates(TrainingConfig())
        (0.001, 0.01, 0.1, 1.0)
        """
        if self.vary == "seed":
            return (config.learning_rate,) * self.copies
        shares = [copy / (self.copies - 1) for copy in range(self.copies)]
        return tuple(float(f"{_between(self.lowest, self.highest, share):.3g}") for share in shares)


Job = RateTest | Race
_KINDS: dict[str, type[Job]] = {"rate test": RateTest, "race": Race}


def to_dict(job: Job) -> dict[str, object]:
    """As JSON stores it, with its "kind"."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(job, cls))
    return {"kind": kind, **asdict(job)}


def from_dict(values: Mapping[str, object] | None) -> Job | None:
    """Back from JSON; None is an ordinary run. Raises ValueError for anything that is not a job.

    >>> from_dict(to_dict(Race(copies=8)))
    Race(copies=8, vary='seed', lowest=0.001, highest=1.0)
    """
    if values is None:
        return None
    try:
        options = dict(values)
        return _KINDS[str(options.pop("kind"))](**options)  # type: ignore[arg-type]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a job: {values!r}") from error


# --- Reading a rate test -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suggestion:
    """What a rate test says."""

    smooth: tuple[float, ...]
    """The losses, smoothed; NaN-free, one for each loss."""
    steepest: float
    """The learning rate at which the smoothed loss falls fastest."""
    lowest: float
    """The learning rate at which the smoothed loss is lowest."""
    divergence: float | None
    """The learning rate from which on the loss is worse than at the start; None where it never is."""
    learning_rate: float
    """The suggestion, to one digit: a tenth of `lowest`."""


SMOOTHING = 0.9
"""Share of the running mean that is kept from step to step."""
OUT_OF_HAND = 4.0
"""A loss of this many times the first one ends the test: there is nothing more to see."""


def suggest(test: RateTest, losses: Sequence[float]) -> Suggestion | None:
    """Read the learning rate off the losses of a test; None where there are too few of them."""
    if len(losses) < 10:
        return None
    smooth = _smoothed(losses)
    rates = [test.learning_rate(step) for step in range(len(losses))]
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    after = [step for step in range(lowest, len(smooth)) if smooth[step] > smooth[0]]
    falls = [smooth[step + 1] - smooth[step - 1] for step in range(1, max(2, lowest))]
    steepest = rates[1 + min(range(len(falls)), key=falls.__getitem__)]
    divergence = rates[after[0]] if after else rates[-1] if len(losses) < test.steps else None
    return Suggestion(tuple(smooth), steepest, rates[lowest], divergence, float(f"{rates[lowest] / 10:.1g}"))


def _smoothed(losses: Sequence[float]) -> list[float]:
    """The running mean of each loss, corrected for its beginning, as Adam does (Kingma and Ba 2014, algorithm 1)."""
    smooth, mean = [], 0.0
    for step, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        smooth.append(mean / (1 - SMOOTHING**step))
    return smooth


def _between(low: float, high: float, share: float) -> float:
    return low * math.pow(high / low, share)


def _check_rates(lowest: float, highest: float) -> None:
    if not all(isinstance(rate, int | float) and math.isfinite(rate) for rate in (lowest, highest)):
        raise ValueError(f"learning rates must be numbers, got {lowest!r} and {highest!r}")
    if not 0 < lowest < highest <= HIGHEST_LEARNING_RATE:
        raise ValueError(
            f"learning rates must grow, be above 0 and at most {HIGHEST_LEARNING_RATE:g}, got {lowest:g} and {highest:g}"
        )

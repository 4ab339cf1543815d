"""Many settings at once: a grid of them, a random sample, or what a sampler expects to be good. No torch."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fmnist_core.settings.config import RATES, SETTINGS, TrainingConfig

HELD_OUT = 10_000
"""Training images that every run of a sweep holds out: the choice is made by them."""
MOST_RUNS = 20


@dataclass(frozen=True)
class Scale:
    """The values that a setting may take in a sweep, ascending."""

    label: str
    values: tuple[float, ...]
    low: float
    """The usual range begins here …"""
    high: float
    """… and ends here."""

    def between(self, low: float, high: float) -> tuple[float, ...]:
        """The values from `low` to `high`.

        >>> SCALES["batch_size"].between(20, 100)
        (20, 32, 64)
        """
        return tuple(value for value in self.values if low <= value <= high)


SCALES: dict[str, Scale] = {
    "learning_rate": Scale(
        SETTINGS["learning_rate"].label, tuple(rate for rate in RATES if 0.0001 <= rate <= 0.5), 0.005, 0.1
    ),
    "batch_size": Scale(SETTINGS["batch_size"].label, (10, 20, 32, 64, 128, 256, 512), 20, 256),
    "momentum": Scale(SETTINGS["momentum"].label, (0.0, 0.5, 0.8, 0.9, 0.95, 0.99), 0.5, 0.95),
    "dropout": Scale(SETTINGS["dropout"].label, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), 0.0, 0.5),
    "weight_decay": Scale(
        SETTINGS["weight_decay"].label, (0.0, 0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01), 0.0, 0.001
    ),
    "hidden_units": Scale(SETTINGS["hidden_units"].label, (10, 20, 50, 100, 200), 20, 100),
}
"""What can be varied; momentum belongs to SGD."""

Ranges = Mapping[str, tuple[float, float]]
"""From the name of each varied setting to its lowest and highest value."""


def grid(base: TrainingConfig, ranges: Ranges, points: int) -> list[TrainingConfig]:
    """Every combination of `points` values of each setting, as evenly spread over its scale as there are values.

    >>> [config.learning_rate for config in grid(TrainingConfig(), {"learning_rate": (0.001, 0.1)}, 3)]
    [0.001, 0.01, 0.1]
    """
    choices = []
    for name, (low, high) in ranges.items():
        values = SCALES[name].between(low, high)
        at = np.unique(np.linspace(0, len(values) - 1, points).round().astype(int))
        choices.append([values[place] for place in at])
    return [_with(base, dict(zip(ranges, values, strict=True))) for values in itertools.product(*choices)]


def at_random(base: TrainingConfig, ranges: Ranges, count: int, seed: int) -> list[TrainingConfig]:
    """`count` different combinations, each value drawn from its scale, all equally likely; fewer where there are no more.

    Beats a grid where few of the settings matter (Bergstra and Bengio 2012): each run tries another value of each.
    """
    random, found = np.random.default_rng(seed), dict[TrainingConfig, None]()
    for _attempt in range(20 * count):
        if len(found) == count:
            break
        found[_with(base, {name: random.choice(SCALES[name].between(*ends)) for name, ends in ranges.items()})] = None
    return list(found)


def has_sampler() -> bool:
    """Whether Optuna is installed, which `expected_good` needs."""
    return importlib.util.find_spec("optuna") is not None


def expected_good(
    base: TrainingConfig,
    ranges: Ranges,
    known: Sequence[tuple[TrainingConfig, float | None]],
    count: int,
    seed: int,
) -> list[TrainingConfig]:
    """`count` combinations that the runs so far make look good, by Optuna's tree-structured Parzen estimator.

    `known`: each run's settings and its accuracy on the held-out images, None while it is under way. Bergstra et al. 2011,
    "Algorithms for Hyper-Parameter Optimization". Fewer than `count` where nothing new comes up. Raises ImportError
    without Optuna.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=5, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    spaces = {name: SCALES[name].between(*ends) for name, ends in ranges.items()}
    places = {name: optuna.distributions.IntDistribution(0, len(values) - 1) for name, values in spaces.items()}
    for config, accuracy in known:
        at = {
            name: values.index(getattr(config, name))
            for name, values in spaces.items()
            if getattr(config, name) in values
        }
        if len(at) == len(spaces):
            state = optuna.trial.TrialState.COMPLETE if accuracy is not None else optuna.trial.TrialState.RUNNING
            study.add_trial(optuna.trial.create_trial(params=at, distributions=places, value=accuracy, state=state))
    found, tried = dict[TrainingConfig, None](), {config for config, _ in known}
    for _attempt in range(10 * count):
        if len(found) == count:
            break
        trial = study.ask(places)
        config = _with(base, {name: values[trial.params[name]] for name, values in spaces.items()})
        if config not in tried:
            found[config] = None
    return list(found)


def _with(base: TrainingConfig, values: Mapping[str, float]) -> TrainingConfig:
    whole = {
        name: int(value) if isinstance(getattr(base, name), int) else float(value) for name, value in values.items()
    }
    return replace(base, validation=HELD_OUT, **whole)  # type: ignore[arg-type]

"""What a start will take, in words: weight updates, and time where it is known."""

from __future__ import annotations

from collections.abc import Sequence

from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from pages.parts.runs.run_list import duration
from pages.parts.train.recipe_choice import recipe_of

NEEDS_A_GPU = 12 * 3600
"""Seconds on a CPU from which on a run is none for a CPU."""

AS_QUICK = ("learning_rate", "epochs", "seed", "momentum", "dropout", "step_limit")
"""Settings that do not change how many images a second are trained on."""


def plan(config: TrainingConfig, runs: Sequence[Run]) -> str:
    """Steps and time of a run with these settings. `runs`: whose speeds count, the newest first.

    >>> plan(TrainingConfig(batch_size=600, epochs=1), [])
    '1 epoch: 100 weight updates'
    """
    seconds, where = expected_seconds(config, runs)
    if not seconds:
        return steps(config)
    if config.device not in ("cuda", "mps") and seconds > NEEDS_A_GPU:
        return f"{steps(config)}; about {duration(seconds)} on a CPU: needs a GPU"
    return f"{steps(config)}, about {duration(seconds)}{where}"


def steps(config: TrainingConfig) -> str:
    """How long a run is, in epochs and weight updates.

    >>> steps(TrainingConfig()), steps(TrainingConfig(batch_size=16, epochs=1, step_limit=3_100))
    ('20 epochs of 3,000 steps: 60,000 weight updates', "3,100 of one epoch's 3,750 steps")
    """
    each, total = config.steps_per_epoch, config.total_steps
    if total < config.epochs * each:
        whole = f"one epoch's {each:,}" if config.epochs == 1 else f"{config.epochs} epochs' {config.epochs * each:,}"
        return f"{total:,} of {whole} steps"
    return (
        f"1 epoch: {each:,} weight updates"
        if config.epochs == 1
        else (f"{config.epochs} epochs of {each:,} steps: {total:,} weight updates")
    )


def expected_seconds(config: TrainingConfig, runs: Sequence[Run]) -> tuple[float, str]:
    """(seconds of training, where that is known from): by the newest run like it, else by its recipe; 0 where by neither."""
    decisive = {name: value for name, value in config.to_dict().items() if name not in AS_QUICK}
    for run in runs:
        if run.images_per_second and all(getattr(run.config, name) == value for name, value in decisive.items()):
            return config.total_steps * config.batch_size / run.images_per_second, ""
    if (name := recipe_of(config)) and config.device not in ("cuda", "mps"):
        return 60 * RECIPES[name].minutes, " on two processor cores"
    return 0.0, ""

"""What a branch may change: settings, and weights by hand."""

from __future__ import annotations

from fmnist_core.inside.edits import Edits
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.files.snapshots import Weights
from fmnist_core.settings.config import TrainingConfig


class RunRefused(Exception):
    """The run was not started. The message says why, and is meant for the page."""


FIXED = ("architecture", "conv1_channels", "conv2_channels", "hidden_units")
"""Settings that a branch cannot change, because the weights would not fit."""
FIXED_LATER = ("batch_size", "optimizer", "validation", "fold")
"""Settings that a branch can change at step 0 only: position and optimizer state depend on them."""


def check(parent: Run, step: int, config: TrainingConfig) -> None:
    """Raises RunRefused where a branch of `parent` after `step` steps cannot have these settings."""
    old = parent.config_at(step)
    for name in FIXED if step == 0 else FIXED + FIXED_LATER:
        if getattr(old, name) != getattr(config, name):
            when = "" if name in FIXED else " later than step 0"
            raise RunRefused(
                f"A branch{when} keeps the setting {name.replace('_', ' ')}, which is {getattr(old, name)} in its parent."
            )
    if config.total_steps <= step:
        is_limited = config.epochs * config.steps_per_epoch > config.total_steps
        way_out = "raise the step limit, or set it to 0" if is_limited else "choose more epochs"
        raise RunRefused(
            f"With these settings a run ends after {config.total_steps:,} steps, and the branch begins after {step:,}: {way_out}."
        )


def edited_weights(folder: RunFolder, step: int, edits: str) -> Weights | None:
    """The network's weights after `step` and after `edits`, as an address writes them; None without edits. Raises RunRefused."""
    if not edits:
        return None
    try:
        network = opened(folder, step)
        wanted = Edits.parse(edits, network)
    except (OSError, ValueError) as error:
        raise RunRefused(f"The weights cannot be changed so: {error}") from error
    if not wanted.changes_weights:
        raise RunRefused("Nothing in this list changes a weight, so there is nothing to train on from.")
    return wanted.applied(network).weights

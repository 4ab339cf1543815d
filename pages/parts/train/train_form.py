"""The settings of a run as controls, each with the words that explain it. The address carries all of them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fmnist_core.settings.config import TrainingConfig
from pages.parts import address, controls, frame
from pages.parts.train import previews, setting_groups
from pages.parts.train.rate_finder import rate_finder
from pages.parts.train.recipe_choice import recipe_choice

DEFAULTS = TrainingConfig()


def train_form() -> TrainingConfig | None:
    """The controls; the settings that they stand at, or None (said on the page) where they do not fit together."""
    values = address.settings()
    recipe, error = st.container(), st.container()
    controls.setting("learning_rate")
    finder = st.container()
    controls.setting("schedule")
    drawn = st.container()
    controls.setting("epochs", high=50)
    config = _config(values, error)
    with _group("Optimizer", ":material/speed:", values, "optimizer"):
        setting_groups.optimizer(values)
    with _group("Network", ":material/layers:", values, "network"):
        setting_groups.network(values)
    with _group("Repeating and checking", ":material/repeat:", values, "repeating"):
        setting_groups.repeating(values)
    with _group("Pictures", ":material/photo_library:", values, "pictures"):
        setting_groups.pictures(config)
    with recipe:
        recipe_choice(config)
    with finder:
        rate_finder(config)
    if config:
        with drawn:
            previews.schedule(config)
    return config


def explain() -> None:
    """Loss and optimizer, in place."""
    st.markdown(
        "**Loss: cross-entropy.** The network gives each of the ten classes a probability; the loss of an image is "
        "−ln of the probability of its true class, in nats. Sure and right: near 0. A blind guess: ln 10 = 2.303. "
        "Sure and wrong: large. A batch's loss is the mean over its images."
    )
    st.markdown(
        "**Optimizer: gradient descent.** For each batch, the gradient says how the loss changes with each of the "
        "27,480 weights. SGD with momentum 0.9 moves each weight by  \n`v ← 0.9·v + gradient`,  \n"
        "`weight ← weight − learning rate · v`,  \n3,000 times an epoch at batch size 20."
    )


GROUPS = {
    "optimizer": ("optimizer", "batch_size", "momentum", "weight_decay", "loss", "label_smoothing"),
    "network": ("architecture", "conv1_channels", "conv2_channels", "hidden_units", "dropout"),
    "repeating": ("seed", "device", "step_limit", "validation", "fold"),
    "pictures": ("standardise", "shift", "flip", "erase", "flip_test"),
}


def _group(label: str, icon: str, values: dict[str, Any], name: str) -> Any:
    """An expander that says how many of its settings are not the tutorial's."""
    changed = sum(values[setting] != getattr(DEFAULTS, setting) for setting in GROUPS[name])
    words = f" · {changed} changed" if changed else ""
    return st.expander(f"{label}{words}", icon=icon, key=f"group_{name}")


def _config(values: dict[str, Any], error: Any = None) -> TrainingConfig | None:
    try:
        return TrainingConfig(**values)
    except ValueError as fault:
        if error is not None:
            error.error(frame.plain(str(fault)))
        return None

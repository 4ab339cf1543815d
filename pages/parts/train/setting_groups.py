"""The settings that are folded away, by theme: each a function that draws its controls.

`values` is what the address says. A control that does not apply is not drawn, and its setting stays as it is.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Word
from pages.parts import controls
from pages.parts.text import number
from pages.parts.train import previews
from pages.parts.train.rate_finder import find_button

Values = dict[str, Any]


def schedule(config: TrainingConfig | None) -> None:
    """How the learning rate goes over the run, drawn unless the settings do not fit together; a rate found by a test."""
    controls.setting("schedule")
    if config:
        previews.schedule(config)
    find_button(config)


def optimizer(values: Values) -> None:
    """How the weights are changed."""
    controls.setting("optimizer")
    controls.setting("batch_size")
    if values["optimizer"] != "adam":
        controls.setting("momentum")
    controls.setting("weight_decay")
    controls.setting("loss")
    controls.setting("label_smoothing")


def pictures(config: TrainingConfig | None) -> None:
    """What the network sees; how the pictures of `config` are changed is shown, unless its settings do not fit together."""
    controls.setting("standardise")
    st.markdown("**Augmentation:** each picture a little different in each epoch, so that none is learned by heart.")
    controls.setting("shift")
    controls.setting("flip")
    controls.setting("erase")
    if config:
        previews.augmented(config)
    controls.setting("flip_test")


def network(values: Values) -> None:
    """What is trained."""
    controls.setting("architecture")
    kind = values["architecture"]
    if kind == "net":
        controls.setting("conv1_channels")
        controls.setting("conv2_channels")
    if kind in ("net", "perceptron"):
        controls.setting("hidden_units")
        controls.setting("dropout")


def repeating(values: Values) -> None:
    """What makes a run repeatable, where it is computed, and what it is checked on."""
    controls.setting("seed")
    controls.setting("device", options=tuple(dict.fromkeys(("auto", *client.devices(), values["device"]))))
    controls.setting("step_limit")
    controls.setting("validation", step=1000)
    if values["validation"]:
        controls.setting("fold")


# --- In words ------------------------------------------------------------------------------------------------------

GROUPS = {
    "schedule": ("Schedule, learning-rate finder", ":material/show_chart:", ("schedule",)),
    "optimizer": (
        "Optimizer",
        ":material/speed:",
        ("optimizer", "batch_size", "momentum", "weight_decay", "loss", "label_smoothing"),
    ),
    "network": (
        "Network",
        ":material/layers:",
        ("architecture", "conv1_channels", "conv2_channels", "hidden_units", "dropout"),
    ),
    "pictures": ("Pictures", ":material/photo_library:", ("standardise", "shift", "flip", "erase", "flip_test")),
    "repeating": (
        "Seed, device, validation",
        ":material/repeat:",
        ("seed", "device", "step_limit", "validation", "fold"),
    ),
}
"""What is folded away: title, icon, settings."""

SHORT: dict[str, str] = {
    "conv1_channels": "{} filters in conv1",
    "conv2_channels": "{} filters in conv2",
    "hidden_units": "{} hidden units",
    "step_limit": "at most {} steps",
    "validation": "{} held out",
    "standardise": "standardised",
    "shift": "shift {}",
    "flip": "mirrored",
    "erase": "erase {}",
    "flip_test": "test-time augmentation",
    "epochs": "{} epochs",
}
"""How a setting is said where its label is too long."""


def changed(name: str, values: Values) -> str:
    """What in a group is not the tutorial's, in words; "" where all is."""
    usual = TrainingConfig()
    return in_words({s: values[s] for s in GROUPS[name][2] if values[s] != getattr(usual, s)})


def in_words(changed: Values) -> str:
    """Settings with their values, as short as a label wants it.

    >>> in_words({"optimizer": "nesterov", "batch_size": 256, "weight_decay": 0.00001, "flip": True})
    'Nesterov, batch size 256, weight decay 0.00001, mirrored'
    """
    return ", ".join(_short(name, value) for name, value in changed.items())


def _short(name: str, value: Any) -> str:
    row = SETTINGS[name]
    if (name, value) == ("epochs", 1):
        return "1 epoch"
    if value == "nesterov":
        return "Nesterov"
    if isinstance(row.range, Word):
        shown = row.range.names[value].partition(":")[0]
        return f"device: {shown}" if name == "device" else shown
    if isinstance(value, bool):
        return SHORT[name] if value else f"not {SHORT[name]}"
    shown = f"{value:,}" if isinstance(value, int) and name != "seed" else number(value)
    return SHORT.get(name, f"{row.label.lower()} {{}}").format(shown)

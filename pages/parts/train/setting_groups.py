"""The settings that are folded away, by theme: each a function that draws its controls.

`values` is what the address says. A control that does not apply is not drawn, and its setting stays as it is.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from pages.parts import controls
from pages.parts.train import previews

Values = dict[str, Any]


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

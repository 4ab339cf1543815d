"""The four settings of the network, and the way to train it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.ranges import as_text
from pages.parts import address, controls

TUTORIAL = TrainingConfig()
WIDTHS = ("conv1_channels", "conv2_channels", "hidden_units")
SCALES = {
    "conv1_channels": (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 64, 90, 128, 180, 256),
    "conv2_channels": (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 64, 90, 128, 180, 256),
    "hidden_units": (1, 2, 5, 10, 20, 35, 50, 70, 100, 140, 200, 280, 400, 560, 800, 1120, 1600, 2048),
}
"""What the sliders offer, each about 1.4 times the one before; any other width in the address joins it."""


def chosen_settings() -> TrainingConfig:
    """The four controls, in the address; they start at the tutorial's network."""
    labels = {
        "conv1_channels": (
            "First convolution: filters",
            "Each filter looks for one small pattern, such as an edge.",
        ),
        "conv2_channels": (
            "Second convolution: filters",
            "Each looks for a combination of the first patterns.",
        ),
        "hidden_units": (
            "Hidden units",
            "They weigh all patterns before the ten scores. Most parameters are here.",
        ),
    }
    with st.container(border=True):
        grid = st.grid(4, min_column_width=200)
        values: dict[str, Any] = {}
        for name, (label, why) in labels.items():
            with grid:
                values[name] = controls.whole_on_scale(label, name, SCALES[name], help=why)
        with grid:
            dropout = controls.setting("dropout")
        config = TrainingConfig(**values, dropout=dropout)
        changed = {
            name: as_text(getattr(config, name))
            for name in (*WIDTHS, "dropout")
            if getattr(config, name) != getattr(TUTORIAL, name)
        }
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Train this network", icon=":material/arrow_forward:", type="primary", key="train_this"):
                st.switch_page("pages/4_train.py", query_params=changed)
            if changed:
                st.button("Back to the tutorial’s", icon=":material/undo:", key="back", on_click=_reset)
    return config


def _reset() -> None:
    address.put(**dict.fromkeys((*WIDTHS, "dropout")))

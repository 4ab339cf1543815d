"""The settings of a run as controls, each with the words that explain it. The address carries all of them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import streamlit as st

from fmnist_core.settings.config import HIGHEST_LEARNING_RATE, LIMITS, SHARES, SWITCHES, WORDS, TrainingConfig
from pages.parts import frame
from pages.parts.train import previews, setting_groups
from pages.parts.train.rate_finder import rate_finder
from pages.parts.train.recipe_choice import recipe_choice

LEARNING_RATES = [digit * 10.0**power for power in range(-5, 1) for digit in (1, 2, 5)][:-2]
DEFAULTS = TrainingConfig()
SCHEDULES = {"constant": "Constant", "cosine": "Cosine", "one-cycle": "One cycle", "step": "Steps"}


def train_form() -> TrainingConfig | None:
    """The controls; the settings that they stand at, or None (said on the page) where they do not fit together."""
    values = _from_address()
    recipe, error = st.container(), st.container()

    rates = sorted({*LEARNING_RATES, values["learning_rate"]})
    values["learning_rate"] = float(
        st.select_slider(
            "Learning rate",
            rates,
            key=setting_groups.begin("learning_rate", values),
            format_func=lambda rate: f"{rate:g}",
            help="How far each weight moves in one step. Too small: hardly anything is learned. Too large: the loss jumps "
            "about or becomes infinite. The scale is logarithmic: 1, 2, 5, 10, …",
        )
    )
    finder = st.container()
    values["schedule"] = setting_groups.choice(
        "Schedule",
        "schedule",
        SCHEDULES,
        values,
        "How the learning rate goes over the run. Large steps at first and small ones at the end learn more in the same "
        "time: one cycle warms up, then goes down in a straight line; cosine goes down along half a wave; steps divides "
        "it by ten, twice.",
    )
    drawn = st.container()
    values["epochs"] = st.slider(
        "Epochs",
        1,
        max(50, values["epochs"]),
        key=setting_groups.begin("epochs", values),
        help="How often training goes through all training images.",
    )

    def preview(chosen: dict[str, Any]) -> None:
        if config := _config(values | chosen):
            previews.augmented(config)

    with _group("Optimizer", ":material/speed:", values, "optimizer"):
        values |= setting_groups.optimizer(values)
    with _group("Network", ":material/layers:", values, "network"):
        values |= setting_groups.network(values)
    with _group("Repeating and checking", ":material/repeat:", values, "repeating"):
        values |= setting_groups.repeating(values)
    with _group("Pictures", ":material/photo_library:", values, "pictures"):
        values |= setting_groups.pictures(values, preview)

    config = _config(values, error)
    with recipe:
        recipe_choice(config, fill_in)
    with finder:
        rate_finder(config)
    if config:
        with drawn:
            previews.schedule(config)
        _into_address(config)
    return config


def fill_in(config: TrainingConfig) -> None:
    """A callback: the next run of the page shows `config`."""
    for field in fields(TrainingConfig):
        st.session_state[field.name] = getattr(config, field.name)
    _into_address(config)


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


def _from_address() -> dict[str, Any]:
    """The settings in the address; a notice and the default for each that does not fit."""
    values: dict[str, Any] = {
        name: frame.query_int(name, getattr(DEFAULTS, name), *limits) for name, limits in LIMITS.items()
    }
    values["learning_rate"] = frame.query_float("learning_rate", DEFAULTS.learning_rate, 1e-9, HIGHEST_LEARNING_RATE)
    for name in SHARES:
        values[name] = frame.query_float(name, getattr(DEFAULTS, name), 0.0, 0.99)
    for name, words in WORDS.items():
        values[name] = frame.query_choice(name, words, getattr(DEFAULTS, name))
    for name in SWITCHES:
        values[name] = frame.query_flag(name, getattr(DEFAULTS, name))
    return values


def _into_address(config: TrainingConfig) -> None:
    for field in fields(TrainingConfig):
        value = getattr(config, field.name)
        if value == field.default:
            st.query_params.pop(field.name, None)
        elif st.query_params.get(field.name) != _as_text(value):
            st.query_params[field.name] = _as_text(value)


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)

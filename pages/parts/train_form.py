"""The settings of a run as controls, each with the words that explain it. The address carries all of them."""

from __future__ import annotations

from dataclasses import fields

import streamlit as st

from fmnist_core.recipes import HIGHEST_LEARNING_RATE, LIMITS, TrainingConfig
from fmnist_core.runs import client
from pages.parts import frame

LEARNING_RATES = [digit * 10.0**power for power in range(-5, 1) for digit in (1, 2, 5)][:-2]
DEFAULTS = TrainingConfig()
DEVICES = {"auto": "Fastest there is", "cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "CPU"}


def train_form() -> TrainingConfig | None:
    """The controls; the settings that they stand at, or None (said on the page) where they do not fit together."""
    address = _from_address()
    if st.session_state.pop("reset_settings", False):
        for field in fields(TrainingConfig):
            st.session_state.pop(field.name, None)
            st.query_params.pop(field.name, None)
        address = DEFAULTS

    rates = sorted({*LEARNING_RATES, address.learning_rate})
    learning_rate = st.select_slider(
        "Learning rate",
        rates,
        address.learning_rate,
        key="learning_rate",
        format_func=lambda rate: f"{rate:g}",
        help="How far each weight moves in one step. Too small: hardly anything is learned. Too large: the loss jumps "
        "about or becomes infinite. The scale is logarithmic: 1, 2, 5, 10, …",
    )
    epochs = st.slider(
        "Epochs",
        1,
        max(50, address.epochs),
        address.epochs,
        key="epochs",
        help="How often training goes through all 60,000 training images.",
    )
    with st.expander("More settings", icon=":material/tune:", expanded=_differs(address)):
        left, right = st.columns(2)
        with left:
            batch_size = _number(
                "Batch size",
                "batch_size",
                address.batch_size,
                "Images per step. Small batches make noisy but many steps.",
            )
            optimizer = st.selectbox(
                "Optimizer",
                ("sgd", "adam"),
                ("sgd", "adam").index(address.optimizer),
                key="optimizer",
                format_func={"sgd": "SGD", "adam": "Adam"}.get,
                help="SGD moves each weight against its gradient. Adam also adapts the size of the step to each weight: "
                "it learns faster at first, and wants a learning rate near 0.001.",
            )
            momentum = st.slider(
                "Momentum",
                0.0,
                0.99,
                address.momentum,
                0.01,
                key="momentum",
                disabled=optimizer == "adam",
                help="Share of the last step that SGD carries over into the next: it smooths the way downhill. Not for Adam.",
            )
            dropout = st.slider(
                "Dropout",
                0.0,
                0.95,
                address.dropout,
                0.05,
                key="dropout",
                help="Chance that a hidden unit is left out in a training step, so that no unit can rely on another. "
                "It is off when the network is tested.",
            )
        with right:
            seed = _number(
                "Seed",
                "seed",
                address.seed,
                "Fixes the initial weights and the order of the images: same settings and same seed give the same losses.",
            )
            names = ("auto", *client.devices())
            device = st.selectbox(
                "Device",
                names,
                names.index(address.device) if address.device in names else 0,
                key="device",
                format_func=DEVICES.get,
                help="Where the arithmetic is done. Only what this machine has is offered.",
            )
            conv1 = _number(
                "Filters, conv1", "conv1_channels", address.conv1_channels, "The tutorial's network has 10."
            )
            conv2 = _number(
                "Filters, conv2", "conv2_channels", address.conv2_channels, "The tutorial's network has 20."
            )
            hidden = _number("Hidden units", "hidden_units", address.hidden_units, "The tutorial's network has 50.")
    try:
        config = TrainingConfig(
            learning_rate=float(learning_rate),
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            momentum=float(momentum),
            dropout=float(dropout),
            seed=seed,
            device=device,
            conv1_channels=conv1,
            conv2_channels=conv2,
            hidden_units=hidden,
        )
    except ValueError as error:
        st.error(frame.plain(str(error)))
        return None
    for field in fields(TrainingConfig):
        value = getattr(config, field.name)
        if value == field.default:
            st.query_params.pop(field.name, None)
        elif st.query_params.get(field.name) != _as_text(value):
            st.query_params[field.name] = _as_text(value)
    return config


def reset_settings() -> None:
    """A callback: the next run of the page shows the tutorial's settings."""
    st.session_state["reset_settings"] = True


def fill_in(config: TrainingConfig) -> None:
    """A callback: the next run of the page shows `config`."""
    for field in fields(TrainingConfig):
        st.session_state.pop(field.name, None)
        st.query_params[field.name] = _as_text(getattr(config, field.name))


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


def _number(label: str, name: str, value: int, help_text: str) -> int:
    low, high = LIMITS[name]
    return int(st.number_input(label, low, high, value, key=name, help=f"{help_text} {low:,} to {high:,}."))


def _from_address() -> TrainingConfig:
    """The settings in the address; a notice and the default for each that does not fit."""
    values: dict[str, object] = {
        name: frame.query_int(name, getattr(DEFAULTS, name), *limits) for name, limits in LIMITS.items()
    }
    values["learning_rate"] = frame.query_float("learning_rate", DEFAULTS.learning_rate, 1e-9, HIGHEST_LEARNING_RATE)
    for name in ("momentum", "dropout"):
        values[name] = frame.query_float(name, getattr(DEFAULTS, name), 0.0, 0.99)
    values["optimizer"] = frame.query_choice("optimizer", ("sgd", "adam"), DEFAULTS.optimizer)
    values["device"] = frame.query_choice("device", tuple(DEVICES), DEFAULTS.device)
    return TrainingConfig.from_dict(values)


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differs(config: TrainingConfig) -> bool:
    """Whether a setting that is folded away is not the tutorial's."""
    shown = ("learning_rate", "epochs")
    return any(getattr(config, f.name) != f.default for f in fields(TrainingConfig) if f.name not in shown)

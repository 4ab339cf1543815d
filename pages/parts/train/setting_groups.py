"""The settings that are folded away, by theme: each a function that draws its controls and returns their values.

`values` is what the address says. A control that does not apply is not drawn, and its setting stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.settings.config import LIMITS, WORDS, TrainingConfig

Values = dict[str, Any]

OPTIMIZERS = {
    "sgd": "SGD",
    "nesterov": "SGD with Nesterov's momentum",
    "adam": "Adam",
    "muon": "Muon",
}
LOSSES = {"cross-entropy": "Cross-entropy", "one-vs-rest": "One against the rest"}
ARCHITECTURES = {
    "net": "Net, the tutorial's",
    "linear": "Linear: no hidden layer",
    "perceptron": "Perceptron: one hidden layer",
    "residual": "Residual, small",
    "deep": "Residual, deeper",
    "wide": "Residual, wide (for a GPU)",
}
DEVICES = {"auto": "Fastest there is", "cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "CPU"}
DECAYS = (0.0, 0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1)
MOST_VALIDATION = LIMITS["validation"][1]


def optimizer(values: Values) -> Values:
    """How the weights are changed."""
    chosen: Values = {}
    chosen["optimizer"] = choice(
        "Optimizer",
        "optimizer",
        OPTIMIZERS,
        values,
        "SGD moves each weight against its gradient; Nesterov's form looks ahead along its momentum. Adam adapts the size "
        "of the step to each weight and wants a learning rate near 0.001. Muon makes each layer's step equally large in "
        "all directions: it learns fastest here, with a learning rate near 0.02.",
    )
    chosen["batch_size"] = number(
        "Batch size", "batch_size", values, "Images per step. Small batches make noisy but many steps."
    )
    if chosen["optimizer"] != "adam":
        chosen["momentum"] = share(
            "Momentum",
            "momentum",
            values,
            0.99,
            0.01,
            "Share of the last step that is carried over into the next: it smooths the way downhill. Adam has its own.",
        )
    decays = sorted({*DECAYS, values["weight_decay"]})
    chosen["weight_decay"] = st.select_slider(
        "Weight decay",
        decays,
        key=begin("weight_decay", values),
        format_func=lambda decay: f"{decay:g}",
        help="Pulls every weight a little towards 0 in each step, against learning the training pictures by heart.",
    )
    chosen["loss"] = choice(
        "Loss",
        "loss",
        LOSSES,
        values,
        "Cross-entropy lets the ten classes compete for one probability. One against the rest asks ten separate yes-or-no "
        "questions, as ten logistic regressions do.",
    )
    chosen["label_smoothing"] = share(
        "Label smoothing",
        "label_smoothing",
        values,
        0.5,
        0.01,
        "Share of each label that is spread over all ten classes: the network shall be sure, but never entirely.",
    )
    return chosen


def pictures(values: Values, preview: Callable[[Values], None]) -> Values:
    """What the network sees. `preview` is called where the changed pictures are shown, with what was chosen so far."""
    chosen: Values = {}
    chosen["standardise"] = st.toggle(
        "Standardised pixels",
        key=begin("standardise", values),
        help="Off: pixels from 0 to 1, as in the tutorial. On: minus their mean, divided by their standard deviation, "
        "so that half of them are below 0; most networks learn faster from that.",
    )
    st.markdown("**Augmentation:** each picture a little different in each epoch, so that none is learned by heart.")
    chosen["shift"] = whole_slider(
        "Shift, pixels", "shift", values, "By how many pixels a picture may move, in every direction. 0: it stays."
    )
    chosen["flip"] = st.toggle(
        "Mirror half of the pictures",
        key=begin("flip", values),
        help="Left and right change places, at random. A mirrored shirt is a shirt; a mirrored 3 would be no 3.",
    )
    chosen["erase"] = whole_slider(
        "Erase a square, pixels", "erase", values, "Side of a black square at a random place of each picture. 0: none."
    )
    preview(chosen)
    chosen["flip_test"] = st.toggle(
        "Measure with the mirror image too",
        key=begin("flip_test", values),
        help="Each measurement averages what the network says of a picture and of its mirror image: two looks, twice the time.",
    )
    return chosen


def network(values: Values) -> Values:
    """What is trained."""
    chosen: Values = {}
    there = {name: ARCHITECTURES.get(name, name) for name in WORDS["architecture"]}
    chosen["architecture"] = choice(
        "Network",
        "architecture",
        there,
        values,
        "From no hidden layer to many with ways around them. The page Network shows the tutorial's, layer by layer.",
    )
    kind = chosen["architecture"]
    if kind == "net":
        for position in (1, 2):
            name = f"conv{position}_channels"
            help_text = (
                f"Filters of convolution {position}: the tutorial's network has {getattr(TrainingConfig, name)}."
            )
            chosen[name] = number(f"Filters, conv{position}", name, values, help_text)
    if kind in ("net", "perceptron"):
        chosen["hidden_units"] = number(
            "Hidden units", "hidden_units", values, "Of the hidden linear layer: the tutorial's network has 50."
        )
        chosen["dropout"] = share(
            "Dropout",
            "dropout",
            values,
            0.95,
            0.05,
            "Chance that a hidden unit is left out in a training step, so that no unit can rely on another. "
            "It is off when the network is tested.",
        )
    return chosen


def repeating(values: Values) -> Values:
    """What makes a run repeatable, where it is computed, and what it is checked on."""
    chosen: Values = {}
    chosen["seed"] = number(
        "Seed",
        "seed",
        values,
        "Fixes the initial weights and the order of the images: same settings and same seed give the same losses.",
    )
    names = {name: DEVICES[name] for name in ("auto", *client.devices())}
    chosen["device"] = choice(
        "Device",
        "device",
        names,
        values | {"device": values["device"] if values["device"] in names else "auto"},
        "Where the arithmetic is done. Only what this machine has is offered.",
    )
    chosen["step_limit"] = number(
        "Step limit", "step_limit", values, "Ends training after this many steps, even within an epoch. 0: no limit."
    )
    chosen["validation"] = int(
        st.number_input(
            "Images held out",
            0,
            MOST_VALIDATION,
            step=1000,
            key=begin("validation", values),
            help="Training images that are never trained on, but measured after each epoch: settings are chosen by them, so "
            f"that the test images stay unseen until the end. 0 to {MOST_VALIDATION:,}.",
        )
    )
    if chosen["validation"]:
        chosen["fold"] = number(
            "Fold", "fold", values, "Which block of images is held out: 0 is the first, 1 the next, and so on."
        )
    return chosen


# --- One control each ----------------------------------------------------------------------------------------------


def begin(name: str, values: Values) -> str:
    """The key of the control of a setting, which stands at its value until a person moves it.

    Its value is in the session's state and not an argument of the widget: the browser keeps what a widget stood at, and
    takes another value from the server only when it comes this way.
    """
    if name not in st.session_state:
        st.session_state[name] = values[name]
    return name


def choice(label: str, name: str, words: dict[Any, str], values: Values, help_text: str) -> Any:
    """One of a few words."""
    if st.session_state[begin(name, values)] not in words:
        st.session_state[name] = next(iter(words))
    return st.selectbox(label, list(words), key=name, format_func=words.get, help=help_text)


def number(label: str, name: str, values: Values, help_text: str) -> int:
    """A whole number."""
    low, high = LIMITS[name]
    return int(st.number_input(label, low, high, key=begin(name, values), help=f"{help_text} {low:,} to {high:,}."))


def whole_slider(label: str, name: str, values: Values, help_text: str) -> int:
    """A whole number from a short scale."""
    low, high = LIMITS[name]
    return int(st.slider(label, low, high, key=begin(name, values), help=help_text))


def share(label: str, name: str, values: Values, highest: float, step: float, help_text: str) -> float:
    """A share from 0 to `highest`."""
    key = begin(name, values)
    return float(st.slider(label, 0.0, max(highest, values[name]), step=step, key=key, help=help_text))

"""The settings of a run as controls, each with the words that explain it. The address carries all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from fmnist_core.settings.config import TrainingConfig
from pages.parts import address, controls, frame
from pages.parts.train import setting_groups
from pages.parts.train.recipe_choice import about_recipe, recipe_choice
from pages.parts.train.setting_groups import GROUPS


def train_form(start: Callable[[TrainingConfig], None]) -> TrainingConfig | None:
    """The controls; the settings that they stand at, or None (said on the page) where they do not fit together.

    What a first run needs comes first, then what `start` draws; everything else is folded away below it, and drawn once it
    is unfolded: 20 controls cost more than the rest of the page.
    """
    values = address.settings()
    config = _config(values)
    with st.container(gap="xxsmall"):
        recipe_choice(config)
    controls.setting("learning_rate")
    controls.setting("epochs", high=50)
    if config:
        start(config)
        about_recipe(config)
    _group("schedule", values, lambda: setting_groups.schedule(config))
    _group("optimizer", values, lambda: setting_groups.optimizer(values))
    _group("network", values, lambda: setting_groups.network(values))
    _group("pictures", values, lambda: setting_groups.pictures(config))
    _group("repeating", values, lambda: setting_groups.repeating(values))
    return config


def explain(config: TrainingConfig) -> None:
    """Loss and optimizer, in place, with the numbers of `config`."""
    loss = {
        "cross-entropy": "**Loss: cross-entropy.** The network gives each of the ten classes a probability; the loss of an "
        "image is −ln of the probability of its true class, in nats: 0.9 → 0.11, 0.1 → 2.3. Sure and right: near 0. A blind "
        "guess: ln 10 = 2.303. Sure and wrong: large. A batch's loss is the mean over its images.",
        "one-vs-rest": "**Loss: one-vs-rest.** Ten yes-or-no questions for each image, one for each class; its loss is the "
        "sum of their ten cross-entropies.",
    }[config.loss]
    step = {
        "sgd": f"SGD moves each weight by  \n`v ← {config.momentum:g}·v + gradient`,  \n`weight ← weight − learning rate · v`,",
        "nesterov": f"SGD with Nesterov's momentum moves each weight by  \n`v ← {config.momentum:g}·v + gradient`,  \n"
        f"`weight ← weight − learning rate · (gradient + {config.momentum:g}·v)`,",
        "adam": "Adam divides the mean of each weight's latest gradients by their size, so that every weight moves by about the "
        "learning rate,",
        "muon": "Muon makes the step of each layer equally large in all directions before it takes it,",
    }[config.optimizer]
    each = config.steps_per_epoch
    often = "once an epoch" if each == 1 else f"{each:,} times an epoch"
    st.markdown(
        f"{loss}\n\n**Optimizer: gradient descent.** For each batch, the gradient says how the loss changes with each weight of the "
        f"network. {step}  \n{often} at batch size {config.batch_size:,}."
    )


def _group(name: str, values: dict[str, Any], draw: Callable[[], None]) -> None:
    """An expander; while it is folded, what in it is not the tutorial's stands below it.

    Not in its label: with another label it would be another expander, and fold under the hand that moves a control in it.
    """
    title, icon, _ = GROUPS[name]
    with st.container(gap="xxsmall"):
        group = st.expander(title, icon=icon, key=f"group_{name}", on_change="rerun")
        if group.open:
            with group:
                draw()
        elif changed := setting_groups.changed(name, values):
            st.caption(f"**{changed}**")


def _config(values: dict[str, Any]) -> TrainingConfig | None:
    try:
        return TrainingConfig(**values)
    except ValueError as fault:
        st.error(frame.plain(str(fault)))
        return None

"""Recipes as one choice that fills the controls in, and the way from any run to the tutorial's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import streamlit as st

from fmnist_core.evaluation import references
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.recipes import RECIPES, Recipe
from pages.parts import address, frame, starting
from pages.parts.person import person
from pages.parts.runs.run_list import duration, state_words

OWN = "own"


@lru_cache(maxsize=1024)
def recipe_of(config: TrainingConfig) -> str | None:
    """The name of the recipe that these settings are, with whatever seed, on whatever device; None for all others."""
    for name, recipe in RECIPES.items():
        if replace(config, seed=recipe.config.seed, device=recipe.config.device) == recipe.config:
            return name
    return None


def is_the_tutorials(run: Run) -> bool:
    """Whether it is the tutorial's training and nothing else: a run that was steered, or a branch, is not."""
    return run.is_replicate and recipe_of(run.config) == "tutorial"


def name_of(config: TrainingConfig) -> str:
    """What a run without a name is called: its recipe, but for the tutorial's, which most runs begin from."""
    name = recipe_of(config)
    return RECIPES[name].title if name and name != "tutorial" else ""


def recipe_in_address() -> None:
    """Let the recipe that `?recipe=` names stand for all settings that the address does not name."""
    if name := address.text("recipe"):
        address.assume(RECIPES[name].config.to_dict())


def recipe_choice(config: TrainingConfig | None) -> None:
    """One choice for all controls at once; what it reaches."""
    now = (recipe_of(config) if config else None) or OWN
    names = [*RECIPES, *([OWN] if now == OWN else [])]
    key = f"recipe_{now}"

    def chosen() -> None:
        if (name := st.session_state[key]) in RECIPES:
            address.put(recipe=None if name == "tutorial" else name, **dict.fromkeys(SETTINGS))

    # What it stands at is in its key. If the server set its value instead, the browser would for a moment go on reporting
    # the old one, that would count as a person's choice, and fill in a recipe over what is being set.
    st.selectbox(
        "Recipe",
        names,
        names.index(now),
        key=key,
        format_func=lambda name: RECIPES[name].title if name in RECIPES else "Your own settings",
        on_change=chosen,
        help="Fills in all settings. Change any of them: then they are your own.",
    )
    if now in RECIPES and (accuracy := RECIPES[now].accuracy) is not None:
        st.caption(f"Reaches a test accuracy of {frame.percent(accuracy, 1)}.")


def about_recipe(config: TrainingConfig) -> None:
    """What the recipe teaches, and what others have published; nothing for one's own settings."""
    if name := recipe_of(config):
        with st.expander(f"About the recipe {RECIPES[name].title}", icon=":material/menu_book:", key="about_recipe"):
            st.markdown(_words(RECIPES[name]))


def _words(recipe: Recipe) -> str:
    words = recipe.teaches
    if recipe.accuracy is not None:
        seeds = f", the mean of {recipe.seeds} seeds" if recipe.seeds > 1 else ""
        words += f" Test accuracy measured here: {frame.percent(recipe.accuracy, 1)}{seeds}."
    if recipe.minutes < 1000:
        words += f" Takes about {duration(60 * recipe.minutes)} on two processor cores."
    if recipe.published:
        published = references.named(recipe.published)
        words += (
            f" Published: [{frame.plain(published.name)}]({published.source}), {frame.percent(published.accuracy, 1)}."
        )
    return words


def beside_the_tutorial(run: Run, runs: Sequence[Run]) -> None:
    """One click from a run that has ended to the comparison with the tutorial's; or a start of that, where there is none."""
    if not run.latest or not run.latest.step or run.is_active or run.is_sealed or is_the_tutorials(run):
        return
    others = [other for other in runs if is_the_tutorials(other)]
    order = {State.FINISHED: 0, State.RUNNING: 1}
    others = sorted((other for other in others if other.latest or other.is_active), key=lambda o: order.get(o.state, 2))
    if others and (other := others[0]).latest:
        state = "" if other.state is State.FINISHED else f" ({state_words(other).lower()})"
        frame.page_link(
            "compare",
            f"Compare with the tutorial{state}",
            icon=":material/compare_arrows:",
            runs=f"{run.id},{other.id}",
        )
    elif others:
        st.caption(f"The tutorial's run is {state_words(others[0]).lower()}: compare as soon as it trains.")
    else:
        starting.button(
            "Train the tutorial's network to compare with",
            "start_tutorial",
            lambda: client.start(RECIPES["tutorial"].config, "Tutorial", owner=person()),
            lambda _run: None,
            icon=":material/play_arrow:",
            help="There is no run with the tutorial's settings yet: about a minute in the background.",
        )

"""All runs on the Train page: who trains what, what waits in which place, and what lies over the chart."""

from __future__ import annotations

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.recipes import RECIPES
from pages.parts import address, controls, frame
from pages.parts.components.run_table import RUN, run_table
from pages.parts.person import LONGEST, call_me, me, remember

COLUMNS = ("run", "state", "accuracy", "epochs", "settings", "owner", "time", "started")
MOST_BESIDE = 4
"""Runs over one chart beside its own."""


def all_runs(chosen: str) -> None:
    """The list with its filters; `chosen`: the run that the page shows."""
    remember()
    now = me()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("All runs", anchor=False, width="stretch")
        _who(now.name)
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key="filters"):
        filters = {
            "whose": controls.one_of("Whose", "whose", words={"everyone": "Everyone's", "mine": "Mine"}),
            "grouped": controls.one_of(
                "Grouped", "grouped", words={"no": "No", "person": "By person", "settings": "By settings"}
            ),
            "state": controls.select("State", "state", address.words("state"), words=_capitals("state"), width=150),
            "recipe": controls.select("Recipe", "of_recipe", address.words("of_recipe"), words=_recipes(), width=190),
        }
    link = address.here(run=RUN, batch_at=None)
    run_table(
        links={"active": link, "ended": link},
        me=now,
        key="runs",
        chosen=chosen,
        beside=address.items("beside"),
        filters=filters,
        columns=COLUMNS,
        on_tick=_tick,
        on_ask=_ask,
    )
    st.caption(
        "A name opens its run, a tick lays it over the chart. People take turns in the queue; a run starts when a slot is free, "
        "and ↑ and ↓ set the order of your own."
    )


def laid_over(runs: list[Run], run: Run) -> list[Run]:
    """The runs with a tick, as far as they are there; the parent of a branch always."""
    wanted = address.items("beside")
    parent = run.parent[0] if run.parent else ""
    return [other for other in runs if other.id != run.id and (other.id in wanted or other.id == parent)][:MOST_BESIDE]


def _who(known: str) -> None:
    popover = st.popover(f"You are {frame.plain(known)}", icon=":material/badge:", key="who_you_are", on_change="rerun")
    if not popover.open:
        return
    with popover:
        st.markdown("Your runs carry this name, so that everyone can see whose run is whose.")
        name = st.text_input("Name", known, max_chars=LONGEST, key=f"name_of_{known}")
        st.caption("This browser keeps it in a cookie. It is no login: whoever reaches this page can steer every run.")
        if name != known:
            call_me(name)
            st.rerun()


def _capitals(name: str) -> dict[str, str]:
    return {word: word.capitalize() for word in address.words(name)}


def _recipes() -> dict[str, str]:
    return {"any": "Any", "own": "Own settings"} | {name: recipe.title for name, recipe in RECIPES.items()}


def _tick(run_id: str) -> None:
    """Lay it over the chart, or take it away; the oldest gives way to one too many."""
    beside = address.items("beside")
    beside = [other for other in beside if other != run_id] if run_id in beside else [*beside, run_id][-MOST_BESIDE:]
    address.put(beside=",".join(beside) or None)


def _ask(run_id: str, what: str) -> None:
    """Another place in the queue for a waiting run, or none."""
    try:
        if what == "cancel":
            client.stop(run_id)
            return
        run = client.get(run_id)
        own = [waiting.run.id for waiting in client.queue() if waiting.run.owner == run.owner]
        if run_id in own:
            client.move(run_id, own.index(run_id) + {"earlier": -1, "later": 1}.get(what, 0))
    except (client.RunNotFound, client.RunRefused) as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")

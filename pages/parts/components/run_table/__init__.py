"""A list of runs that follows them by polling the app's route: a name opens its run, a tick lays it over the chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from fmnist_core.runs.people import Person
from pages.parts.components import load
from pages.parts.runs.rows import mark

_component = load("run_table", scripts=["asking.js"], styles=["scrolling.css"])

RUN = "RUN"
"""Stands for a run's id in `links`."""


def run_table(
    *,
    links: Mapping[str, str],
    me: Person,
    key: str,
    chosen: str = "",
    beside: Sequence[str] = (),
    filters: Mapping[str, str] | None = None,
    columns: Sequence[str] = ("run", "state", "accuracy", "owner", "started"),
    most: int = 100,
    on_tick: Callable[[str], None] | None = None,
    on_ask: Callable[[str, str], None] | None = None,
) -> None:
    """Show the runs as they are now, and go on showing them.

    `links`: addresses with `RUN` in them, for "active" and "ended" runs. `chosen`: the run that the page shows. `beside`: runs
    with a tick; `on_tick(run_id)`: it was clicked. `filters`: what "whose", "state", "recipe" and "grouped" stand at. `most`:
    rows until all are asked for. `on_ask(run_id, what)`: "earlier", "later" or "cancel" of a waiting run of `me`.
    """

    def ticked() -> None:
        if on_tick and isinstance(run_id := st.session_state[key].tick, str):
            on_tick(run_id)

    def asked() -> None:
        if on_ask and isinstance(wanted := st.session_state[key].ask, str) and "/" in wanted:
            what, _, run_id = wanted.partition("/")
            on_ask(run_id, what)

    _component(
        key=key,
        data={
            "links": dict(links),
            "me": [mark(me.id, me.name), mark("", me.name)],
            "chosen": chosen,
            "beside": list(beside),
            "filters": dict(filters or {}),
            "columns": ["tick", *columns] if on_tick else list(columns),
            "most": most,
            "asks": on_ask is not None,
        },
        on_tick_change=ticked,
        on_ask_change=asked,
    )

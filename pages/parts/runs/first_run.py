"""A page about a trained network where none is: one click trains a quick one, and the page opens when it is done."""

from __future__ import annotations

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.recipes import RECIPES
from pages.parts import address, frame, starting
from pages.parts.person import person
from pages.parts.runs.run_list import STATES

WAITED_FOR = "first_run"
QUICK = RECIPES["fast"]


def offer() -> None:
    """The button, and the way to one's own settings; the progress of a run that somebody has started already."""
    if under_way := next((run for run in client.list_runs() if run.is_active and not run.is_sealed), None):
        st.session_state[WAITED_FOR] = under_way.id
        is_waited_for()
        return
    st.info("No network has been trained yet.", icon=":material/hourglass_empty:")
    with st.container(horizontal=True, vertical_alignment="center", width="content"):
        starting.button(
            "Train one now",
            "train_first",
            lambda: client.start(QUICK.config, QUICK.title, owner=person()),
            _wait_for,
            icon=":material/play_arrow:",
            type="primary",
            help=f"The recipe {QUICK.title}: {QUICK.config.total_steps:,} steps, a few seconds. This page opens when it is done.",
        )
        frame.page_link("train", "Choose its settings first", icon=":material/tune:")


def _wait_for(run_id: str) -> None:
    st.session_state[WAITED_FOR] = run_id
    address.put(run=run_id)


def is_waited_for() -> bool:
    """Whether the first run has not been measured yet: then its progress is drawn."""
    run_id = st.session_state.get(WAITED_FOR)
    if not run_id:
        return False
    if not _under_way(run_id):
        del st.session_state[WAITED_FOR]
        return False
    st.fragment(_progress, run_every=0.5, key=WAITED_FOR)(run_id)
    return True


def _under_way(run_id: str) -> Run | None:
    """The run, as long as something may still come of it and nothing that a network has learned was measured yet."""
    runs = client.list_runs()
    if any(run.latest and run.latest.step for run in runs):
        return None
    return next((run for run in runs if run.id == run_id and not run.state.is_final), None)


def _progress(run_id: str) -> None:
    if not (run := _under_way(run_id)):
        st.rerun()
    _, _, words = STATES[run.state]
    st.progress(run.progress, f"{frame.plain(run.title)}: {'training…' if run.step else words[:1].lower() + words[1:]}")
    frame.page_link("train", "Watch it", icon=":material/trending_down:", run=run_id)

"""Runs beside each other, settings over several seeds, and all runs in one list with what others have reached."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fmnist_core.evaluation import comparison, spread
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.studies import scores
from fmnist_core.studies.scores import Mask
from pages.parts import address, controls, frame
from pages.parts.compare import contenders, difference, leaderboard, seeds, side_by_side
from pages.parts.person import remember
from pages.parts.runs import run_picker
from pages.parts.runs.cleaned import cleaned_switch

VIEWS = ("runs", "seeds", "leaderboard")
WORDS = {"runs": "Runs", "seeds": "Seeds", "leaderboard": "Leaderboard"}


def main() -> None:
    """The page."""
    frame.page(
        "Compare",
        "Put runs beside each other: what was set differently, how they learned, and whether the difference in the end is "
        "more than chance.",
        code=(comparison.difference, comparison.mcnemar, comparison.holm, spread.t_test, spread.seeds_needed),
    )
    everything = client.list_runs()
    hidden = [run for run in everything if run.is_sealed]
    runs = [run for run in everything if run.latest and run.latest.test]
    if not runs:
        run_picker.left_out(hidden) if hidden else run_picker.no_runs()
        return
    if asked_for := [run for run in hidden if run.id in address.text("runs")]:
        run_picker.left_out(asked_for)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        view = controls.one_of("View", "view", VIEWS, words=WORDS, label_visibility="collapsed")
        mask = cleaned_switch()
    match view:
        case "runs":
            _runs(runs, mask)
        case "seeds":
            seeds.seeds(everything, mask)
        case "leaderboard":
            leaderboard.leaderboard(runs, mask)
    if hidden and not asked_for:
        run_picker.left_out(hidden)
    remember()


def _runs(everything: Sequence[Run], mask: Mask) -> None:
    chosen = contenders.picker(everything)
    if len(chosen) < 2:
        _ask_for_a_second(everything, chosen)
    if not chosen:
        return
    reached = [scores.score(contender.run, contender.at, mask) for contender in chosen]
    side_by_side.settings(chosen, reached)
    side_by_side.curves(chosen, mask)
    side_by_side.classes(chosen, reached)
    if len(chosen) > 1:
        difference.difference(chosen, mask)
    if any(contender.run.is_active for contender in chosen):
        shown = [(c.run.id, c.run.state, c.run.latest.step if c.run.latest else 0) for c in chosen]
        st.fragment(_wait_for_news, run_every=2.0, key="news")(shown)


def _ask_for_a_second(everything: Sequence[Run], chosen: Sequence[contenders.Contender]) -> None:
    st.info(
        "Choose two runs to compare, or one run at two moments."
        if len(everything) > 1
        else "There is only one run so far: change one setting, train again, and compare here.",
        icon=":material/info:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if chosen and (earlier := contenders.earlier(chosen[0])):
            st.button(
                "Compare with an earlier moment of the same run",
                icon=":material/history:",
                key="earlier",
                on_click=contenders.put,
                args=([earlier, *chosen],),
            )
        frame.page_link("train", "Train another", icon=":material/arrow_forward:")


def _wait_for_news(shown: list[tuple[str, str, int]]) -> None:
    for run_id, state, step in shown:
        try:
            run = client.get(run_id)
        except client.RunNotFound:
            st.rerun()
        if run.state != state or (run.latest and run.latest.step != step):
            st.rerun()


main()

"""The trained network opened: from any output down to the numbers that make it, and changed by hand."""

from __future__ import annotations

from typing import Literal, get_args

import streamlit as st

from fmnist_core.inside import activations, attribution, edits, graph, neighbours, trust, units
from pages.parts import controls, frame
from pages.parts.inside import ledger_view, map_view, surgery, units_view, way
from pages.parts.inside.subject import picture_choice, subject, waiting, ways_back
from pages.parts.runs.moment import moment
from pages.parts.runs.run_picker import run_picker

View = Literal["way", "ledger", "units", "map", "surgery"]
WORDS: dict[View, str] = {
    "way": "The way through",
    "ledger": "Which pixels",
    "units": "What a unit looks for",
    "map": "Map",
    "surgery": "Surgery",
}


def main() -> None:
    """The page: which network and which picture is decided here; each view gets both and draws."""
    frame.page(
        "Inside",
        "Point at any value to see the numbers that make it: this is your network, at any moment of its training.",
        code=(
            graph.graph,
            activations.forward,
            activations.backward,
            attribution.ledger,
            trust.trust,
            units.excitement,
            neighbours.arrange,
            edits.Edits,
        ),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = run_picker(sealed=True)
        if run is None:
            return
        split, index = picture_choice(run)
    if run.is_sealed:
        waiting()
    step = moment(run, compact=True)
    shown = subject(run, step, split, index)
    if shown is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        view = controls.one_of("View", "view", get_args(View), words=WORDS, label_visibility="collapsed")
        if not run.is_sealed:
            ways_back(run, split.name, index)
    match view:
        case "way":
            way.draw(shown)
        case "ledger":
            ledger_view.draw(shown)
        case "units":
            units_view.draw(shown)
        case "map":
            map_view.draw(shown)
        case "surgery":
            surgery.draw(shown)


main()

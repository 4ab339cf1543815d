"""The confusion matrix in its three kinds of numbers, of one moment or as a difference, and the pictures behind it."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.metrics import Matrix, confused_pairs, similarity_order
from fmnist_core.runs import client
from fmnist_core.studies.subject import Subject
from fmnist_core.views.colours import WRONG
from pages.parts import address, controls
from pages.parts.components.matrix import Cell, Face, matrix
from pages.parts.components.picture_rows import Picture, Row, Strip, picture_rows
from pages.parts.runs import run_picker
from pages.parts.runs.gallery import behind, image_link
from pages.parts.text import epochs

Side = Literal["After", "Before", "Difference"]
Numbers = Literal["counts", "rows", "columns"]
Order = Literal["given", "similar"]

PAIRS = 8
SAMPLES = 4
"""Pictures of each pair."""


def draw(subject: Subject) -> None:
    """The view."""
    selected = cell_in_address()
    left, right = st.columns([5, 4], gap="large")
    with left:
        result, chosen = _matrix(subject, selected)
    if chosen is not None and chosen != selected:
        address.put(true=chosen[0], predicted=chosen[1], page=None)
        st.rerun()
    with right:
        if selected == (None, None):
            _pairs(subject, result)
        else:
            behind(result, subject, selected)


def cell_in_address() -> Cell:
    """The classes in the address: (true, predicted), None where all are meant."""
    return address.optional("true"), address.optional("predicted")


def _matrix(subject: Subject, selected: Cell) -> tuple[Evaluation, Cell | None]:
    """Controls and table: the evaluation whose pictures are meant, and the cell that was just chosen."""
    st.subheader("Confusion matrix", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        side = controls.one_of("Matrix", "side", get_args(Side), label_visibility="collapsed")
        numbers = controls.one_of(
            "Numbers",
            "numbers",
            get_args(Numbers),
            words={"counts": "Counts", "rows": "% of row", "columns": "% of column"},
            label_visibility="collapsed",
        )
    other = _other(subject) if side == "Difference" else None
    with st.container(horizontal=True, vertical_alignment="center"):
        order = controls.one_of(
            "Order of the classes",
            "classes",
            get_args(Order),
            words={"given": "As given", "similar": "By similarity"},
            label_visibility="collapsed",
            help="By similarity: of all 3,628,800 orders the one with the most confusions between neighbours, in the network "
            "after training.",
        )
        diagonal = controls.switch(
            "Colour the right ones too",
            "diagonal",
            help="The right ones stand on the diagonal. Without their colour the mistakes have the whole scale.",
        )
    result = subject.before if side == "Before" else subject.after
    chosen = matrix(
        face(result.matrix, other.matrix if other else None, numbers),
        order=similarity_order(subject.after.matrix) if order == "similar" else range(len(CLASSES)),
        selected=selected,
        diagonal=diagonal,
        key="matrix",
    )
    st.caption(_meaning(numbers, other is not None))
    return result, chosen


def _meaning(numbers: Numbers, is_difference: bool) -> str:
    unit = {
        "counts": "Pictures of each true class (row) that are predicted as each class (column).",
        "rows": "Of the pictures of a true class (row), the share predicted as each class: the diagonal is recall.",
        "columns": "Of the pictures predicted as a class (column), the share of each true class: the diagonal is precision.",
    }[numbers]
    if is_difference:
        unit += (
            " Here: how much more (+, blue) or less (−, orange) than in the other"
            f"{'' if numbers == 'counts' else ', in percentage points'}. A few more or less is chance: Compare tests that."
        )
    return f"{unit} Choose a cell, a row or a column to see its pictures."


def face(now: Matrix, then: Matrix | None, numbers: Numbers) -> Face:
    """The numbers and words of the cells; with `then`, of the difference `now` - `then`."""
    values = _shares(now, numbers)
    if then is None:
        rows, columns = _shares(now, "rows"), _shares(now, "columns")
        hovers = [
            [
                f"{now[t, p]:,} pictures: {rows[t, p]:.1f} % of the row, {columns[t, p]:.1f} % of the column"
                for p in range(len(now))
            ]
            for t in range(len(now))
        ]
        return Face(values, 0 if numbers == "counts" else 1, hovers)
    hovers = [
        [f"{now[t, p]:,} pictures, {then[t, p]:,} in the other" for p in range(len(now))] for t in range(len(now))
    ]
    return Face(values - _shares(then, numbers), 0 if numbers == "counts" else 1, hovers, signed=True)


def _shares(counts: Matrix, numbers: Numbers) -> npt.NDArray[np.float64]:
    """The counts, or percentages by row or column; nan in a row or column without pictures."""
    whole = {"counts": None, "rows": counts.sum(1, keepdims=True), "columns": counts.sum(0, keepdims=True)}[numbers]
    if whole is None:
        return counts.astype(np.float64)
    shares: npt.NDArray[np.float64] = np.where(whole > 0, 100 * counts / np.maximum(whole, 1), np.nan)
    return shares


# --- The other side of a difference ----------------------------------------------------------------------------------


def _other(subject: Subject) -> Evaluation | None:
    """The moment or run in `?against=`: a step of this run, or another run's id; before training unless it is named."""
    steps = {measured.step: measured.epoch for measured in subject.run.measured}
    kept = [step for step in client.folder(subject.run.id).logit_steps() if step in steps and step != subject.step]
    runs = {r.id: r for r in client.list_runs() if r.latest and r.latest.test and r.id != subject.run.id}
    options = list(dict.fromkeys(["0", *(str(step) for step in kept), *runs]))

    def words(option: str) -> str:
        if option in runs:
            return run_picker.title(runs[option])
        return "Before training" if option == "0" else f"After {epochs(steps[int(option)])}"

    chosen = controls.select("Compared with", "against", options, words={o: words(o) for o in options}, width=420)
    if chosen == "0":
        return subject.before
    try:
        if latest := runs[chosen].latest if chosen in runs else None:
            return subject.other(chosen, latest.step)
        return subject.other(subject.run.id, int(chosen))
    except (OSError, ValueError):
        st.warning("The predictions of the other are missing from its folder.", icon=":material/folder_off:")
        return None


# --- The most confused pairs ----------------------------------------------------------------------------------------


def _pairs(subject: Subject, result: Evaluation) -> None:
    st.subheader("The most confused pairs", anchor=False)
    pairs = confused_pairs(result.matrix, PAIRS)
    if not pairs:
        st.info("There is no mistake.", icon=":material/check_circle:")
        return
    rows = []
    for pair in pairs:
        found = np.flatnonzero((result.labels == pair.true) & (result.predictions == pair.predicted))
        surest = found[np.argsort(-result.confidences[found], kind="stable")][:SAMPLES]
        rows.append(
            Row(
                title=f"{CLASSES[pair.true]} taken for {CLASSES[pair.predicted]}",
                note=f"{pair.count:,} of {pair.of:,}",
                link=address.here(true=pair.true, predicted=pair.predicted),
                strips=[Strip("", [_picture(result, subject, i) for i in surest.tolist()])],
            )
        )
    picture_rows(rows, alt="The most confused pairs of classes", key="pairs")
    st.caption(
        "The surest mistakes of each pair. A name opens all its pictures, a picture itself. Which pair is first depends on "
        "chance where counts are close."
    )


def _picture(result: Evaluation, subject: Subject, place: int) -> Picture:
    index = int(result.indices[place])
    return Picture(
        subject.images[index],
        hover=f"Test picture {index}: {CLASSES[result.labels[place]]} taken for {CLASSES[result.predictions[place]]}, "
        f"{100 * result.confidences[place]:.1f} % sure",
        link=image_link(index),
        colour=WRONG,
    )

"""Accuracy on changed test pictures: moved, turned, darker, with noise; several runs over each other."""

from __future__ import annotations

import html
from functools import lru_cache
from typing import cast

import numpy as np
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.robustness import CHANGES, Kind
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.service import changed
from fmnist_core.runs.service.changed import CONDITIONS, Predicted
from fmnist_core.studies.robust import Robustness, fallen, robustness
from fmnist_core.studies.subject import Subject
from fmnist_core.views.colours import RUNS
from fmnist_core.views.robust import robustness_curves
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.runs.run_picker import title

MOST = len(RUNS)
AT_ONCE = 40
TROUBLE = {
    "unknown weights": "the weights of this moment were not kept",
    "failed": "computing it failed; the log of the server says why",
}


def draw(subject: Subject) -> None:
    """The view."""
    st.subheader("What is left when the pictures change", anchor=False)
    st.markdown(
        "The same 10,000 test pictures, moved, turned, darker, with noise. Training on pictures that are moved and mirrored "
        "costs a few points on the test set and pays off where pictures are not centred; it does not help against blur or noise."
    )
    others = _others(subject)
    computed: dict[str, tuple[Run, np.ndarray, Predicted]] = {}
    waiting = []
    for run, step in ((subject.run, subject.step), *((other, other.latest.step) for other in others if other.latest)):
        folder = client.folder(run.id)
        state = changed.begin(folder, step)
        predicted = changed.read(folder, step) if state == "ready" else None
        if predicted is not None:
            try:
                unchanged = folder.logits(step).argmax(axis=1).astype(np.uint8)
            except (OSError, ValueError):
                st.warning(f"The predictions of **{frame.plain(run.title)}** are missing from its folder.")
                continue
            computed[title(run)] = (run, unchanged, predicted)
        elif state in TROUBLE:
            st.warning(f"**{frame.plain(run.title)}** cannot be shown: {TROUBLE[state]}.", icon=":material/folder_off:")
        else:
            waiting.append((run.id, step))
    if waiting:
        st.fragment(_wait, run_every=1.0, key="changed")(tuple(waiting))
    if not computed:
        return
    labels = subject.test.labels
    found = {
        name: robustness(unchanged, predicted, labels, subject.kept)
        for name, (_, unchanged, predicted) in computed.items()
    }
    _both_numbers(found)
    with st.grid(3, min_column_width=270):
        for kind, change in CHANGES.items():
            if change.strengths:
                st.plotly_chart(
                    robustness_curves(kind, found),
                    config={"displayModeBar": False},
                    key=f"robust_{kind}",
                    on_select=lambda kind=kind: _clicked(kind),
                    selection_mode="points",
                )
    st.caption(
        "Vertical lines are 95 % intervals (Wilson). Every second picture is turned the other way; moved ones go right, down, "
        "left and up in turn. Dotted: chance. Click a point, or choose below, to see the pictures that fell."
    )
    _fallen(subject, computed)


def _others(subject: Subject) -> list[Run]:
    """The runs of `?runs=` that are shown beside the page's own."""
    possible = [
        run
        for run in client.list_runs()
        if run.latest and run.latest.test and not run.is_sealed and run.id != subject.run.id
    ]
    known = {run.id: run for run in possible}
    chosen = [run_id for run_id in address.items("runs") if run_id in known][: MOST - 1]
    if possible:
        words = {run_id: title(run) for run_id, run in known.items()}
        controls.several(
            "Runs beside it", "runs", list(known), chosen, most=MOST - 1, words=words, placeholder="Choose runs"
        )
    return [known[run_id] for run_id in chosen]


def _wait(waiting: tuple[tuple[str, int], ...]) -> None:
    """Computing takes seconds; then the page is drawn again."""
    st.caption(f":material/timelapse: The 10,000 pictures are being tested under {len(CONDITIONS)} changes.")
    try:
        if any(changed.begin(client.folder(run_id), step) != "computing" for run_id, step in waiting):
            st.rerun()
    except client.RunNotFound:
        st.rerun()


def _both_numbers(found: dict[str, Robustness]) -> None:
    """For each run what the test set says, and what is left on the changed pictures."""
    rows = []
    for (name, one), colour in zip(found.items(), RUNS, strict=False):
        low, high = one.unchanged.interval
        hardest = min(one.points, key=lambda condition: one.points[condition].accuracy)
        rows.append(
            f'<tr><th style="border-left:5px solid {colour};padding-left:.5rem">{html.escape(name)}</th>'
            f"<td>{frame.percent(one.unchanged.accuracy, 1)} <small>({100 * low:.1f} to {100 * high:.1f})</small></td>"
            f"<td>{frame.percent(one.mean, 1)}</td>"
            f"<td>{CHANGES[hardest[0]].label} {hardest[1]:g}: {frame.percent(one.points[hardest].accuracy, 1)}</td></tr>"
        )
    st.html(
        '<div class="scroll"><table class="figures"><thead><tr><th>Run</th><th>Test pictures</th><th>Mean over all changes</th><th>Hardest</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _clicked(kind: Kind) -> None:
    """The point that was clicked is in the address."""
    points = st.session_state[f"robust_{kind}"].selection.points
    if points and (place := points[0].get("customdata")):
        strength = place[0] if isinstance(place, list) else place
        if isinstance(strength, int) and 1 <= strength <= len(CHANGES[kind].strengths):
            address.put(changed=kind, strength=strength, page=None)


def _fallen(subject: Subject, computed: dict[str, tuple[Run, np.ndarray, Predicted]]) -> None:
    """The pictures that the page's run recognises, and no longer when they are changed."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = {kind: change.label for kind, change in CHANGES.items() if change.strengths}
        kind = cast(Kind, controls.select("Change", "changed", list(words), words=words, then=_first_page, width=220))
        strengths = CHANGES[kind].strengths
        strength = controls.whole_number("Strength", "strength", high=len(strengths), then=_first_page, width=150)
    amount = strengths[min(strength, len(strengths)) - 1]
    name = next((name for name, (run, _, _) in computed.items() if run.id == subject.run.id), None)
    if name is None:
        return
    _, unchanged, predicted = computed[name]
    classes = predicted[kind, amount]
    lost = fallen(unchanged, classes, subject.test.labels, subject.kept)
    change = CHANGES[kind]
    unit = change.unit.removesuffix("s") if amount == 1 else change.unit
    st.subheader(
        f"{len(lost):,} fell: right as they are, wrong after this change: {change.label.lower()}, {amount:g} {unit}",
        anchor=False,
    )
    if not len(lost):
        return
    page = controls.page_number(-(-len(lost) // AT_ONCE))
    shown = lost[(page - 1) * AT_ONCE : page * AT_ONCE]
    whole = _changed(kind, amount)
    labels = subject.test.labels
    image_grid(
        whole[shown],
        captions=[CLASSES[classes[index]] for index in shown],
        hovers=[
            f"Test picture {index:,}: {CLASSES[labels[index]]}, changed taken for {CLASSES[classes[index]]}"
            for index in shown
        ],
        links=[address.link("image", {"split": "test", "index": int(index), "run": subject.run.id}) for index in shown],
        alt="Pictures that fell",
        key="fallen",
    )


@lru_cache(maxsize=2)
def _changed(kind: Kind, amount: float) -> np.ndarray:
    """All test pictures, (10,000, 28, 28) uint8: every second one is changed the other way, so the places count."""
    return CHANGES[kind].apply(frame.data_or_stop("test").images, amount)


def _first_page() -> None:
    address.put(page=None)

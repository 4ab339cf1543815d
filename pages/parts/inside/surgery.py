"""Surgery: change the network by hand, and see at once what that does to all test pictures."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation import comparison
from fmnist_core.evaluation.comparison import Difference
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.inside.edits import Patient
from fmnist_core.inside.rescoring import Kept
from fmnist_core.runs import client
from fmnist_core.runs.sealed import Pictures
from fmnist_core.settings.config import Architecture
from fmnist_core.training.compiled import predict
from pages.parts import address, controls, frame, starting
from pages.parts.components.image_grid import image_grid
from pages.parts.components.ranking import Column, Row, ranking
from pages.parts.inside.edit_form import edit_form
from pages.parts.inside.subject import Subject
from pages.parts.person import person
from pages.parts.text import change

AT_ONCE = 20
FIRST: dict[Architecture, int] = {"residual": 1_000, "deep": 1_000, "wide": 200}
"""Pictures on which a network that takes milliseconds for each is scored before it is asked for all; the others see all."""
SURE = 0.05
COLUMNS = (
    Column("Class"),
    Column("Before", number=True),
    Column("After", number=True),
    Column("Fixed", number=True),
    Column("Broken", number=True),
)


def draw(subject: Subject) -> None:
    """The view."""
    left, right = st.columns([1, 1.25], gap="large")
    with left:
        edit_form(subject)
        edit_list(subject)
        train_on(subject)
    with right:
        if subject.edits.edits:
            outcome(subject)
        else:
            st.info(
                "Nothing has been changed yet. Mute a filter, put Sobel’s kernel in its place, or round all weights to 2 bits: "
                f"the network is then tested again on all {len(subject.pictures.indices):,} {subject.pictures.words}.",
                icon=":material/healing:",
            )


def edit_list(subject: Subject) -> None:
    """What was done, in its order; each line can be undone."""
    if not subject.edits.edits:
        return
    st.subheader("What was changed", anchor=False)
    for number, edit in enumerate(subject.edits.edits):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.markdown(f"{number + 1}. {frame.plain(edit.words)}")
            rest = [other.text for place, other in enumerate(subject.edits.edits) if place != number]
            st.button(
                "Undo",
                icon=":material/undo:",
                type="tertiary",
                key=f"undo_{number}",
                on_click=address.put,
                kwargs={"edits": ";".join(rest) or None, "page": None},
            )
    if len(subject.edits.edits) > 1:
        st.button("Undo all", key="undo_all", on_click=address.put, kwargs={"edits": None, "page": None})
    st.caption("The list is in the address: a link shows the same patient. The way through shows it from inside.")


def train_on(subject: Subject) -> None:
    """The patient goes on training, as a branch that remembers what was done to it."""
    if not subject.edits.changes_weights:
        return
    steps = client.folder(subject.run.id).branch_steps()
    if subject.step not in steps:
        at = ", ".join(f"{step:,}" for step in steps[-6:])
        st.caption(
            f"To train on from here, move the slider to a step whose checkpoint was kept: {at}." if steps else ""
        )
        return
    with st.container(border=True):
        st.markdown("**Train on**")
        st.caption("A branch begins with these weights; what was changed is written down in it.")
        epochs = int(st.number_input("Further epochs", 1, 20, 1, key="further_epochs"))
        starting.button(
            "Train on from here",
            "train_on",
            lambda: _branch(subject, epochs),
            lambda branch: st.switch_page("pages/4_train.py", query_params={"run": branch}),
            leaves=True,
            icon=":material/call_split:",
        )


def _branch(subject: Subject, further: int) -> str:
    run, step = subject.run, subject.step
    config = run.config_at(step)
    epochs = min(200, math.ceil(step / config.steps_per_epoch) + further)
    config = replace(config, epochs=epochs, step_limit=0)
    name, edits = f"{run.title}, operated", subject.edits.text
    return client.branch(run.id, step, config, name, owner=person(), edits=edits)


def outcome(subject: Subject) -> None:
    """The patient on the test pictures, held against the network as it was trained."""
    if not len(subject.pictures.indices):
        st.info("This run holds nothing out that it could be scored on.", icon=":material/visibility_off:")
        return
    pictures, scored = subject.pictures, _scored(subject)
    before, after = scored.before, scored.after
    apart = comparison.difference(before, after)
    p = apart.p_value
    with st.grid(3, min_column_width=130):
        moved = change(100 * (after.accuracy - before.accuracy), 2, " points")
        st.metric("Accuracy now", frame.percent(after.accuracy), border=True, **moved)
        st.metric("Before", frame.percent(before.accuracy), border=True, height="stretch")
        words = "more than chance" if p < SURE else "may be chance"
        st.metric(
            "Fixed · broken",
            f"{len(apart.only_second):,} · {len(apart.only_first):,}",
            words,
            delta_color="off",
            delta_arrow="off",
            border=True,
            help="Pictures that only the changed network has right, and those that only the network as trained had right. "
            f"Two equally good networks would differ at least this much with probability {p:.2g} (McNemar's exact test).",
        )
    st.caption(f"{len(after.labels):,} {pictures.words} in {scored.seconds:.2f} s.")
    if scored.is_part:
        times = len(pictures.indices) // FIRST[subject.run.config.architecture]
        controls.switch(f"All {len(pictures.indices):,} pictures (takes about {times} times as long)", "all_pictures")
    _by_class(before, after, apart)
    _pictures(before, after, apart, pictures)


@dataclass(frozen=True)
class Scored:
    """Before and after on the same pictures."""

    before: Evaluation
    after: Evaluation
    seconds: float
    is_part: bool
    """Whether the network is slow, so that a person may choose between some pictures and all."""


def _scored(subject: Subject) -> Scored:
    pictures = subject.pictures
    first = FIRST.get(subject.run.config.architecture)
    count = first if first and not address.flag("all_pictures") else len(pictures.indices)
    began = time.perf_counter()
    images, labels = pictures.images[:count], pictures.labels[:count]
    with st.spinner("Testing the changed network", show_time=True):
        logits = [_as_trained(subject, images), _logits(subject, subject.patient, images)]
    before, after = (Evaluation.from_logits(part, labels) for part in logits)
    return Scored(before, after, time.perf_counter() - began, first is not None)


def _as_trained(subject: Subject, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Logits of the network without edits, by the same arithmetic: the last one asked for stays in memory."""
    key = subject.run.id, subject.step, subject.pictures.split, len(images)
    found = _LAST.get(key)
    if found is None:
        found = _logits(subject, Patient(subject.trained), images)
        _LAST.clear()
        _LAST[key] = found
    return found


def _logits(subject: Subject, patient: Patient, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Without a compiler, only what the edits change is computed, where that is possible."""
    if subject.run.config.architecture != "net" or predict.compiled():
        return patient.logits(images)
    key = subject.run.id, subject.step, subject.pictures.split
    if key not in _KEPT:
        _KEPT.clear()
        _KEPT[key] = Kept.of(subject.trained, images)
    found = _KEPT[key].logits(patient)
    return patient.logits(images) if found is None else found


_KEPT: dict[tuple[str, int, str], Kept] = {}
"""Of the last network asked for, 22 MB (44 where mirror images count)."""

_LAST: dict[tuple[str, int, str, int], npt.NDArray[np.float32]] = {}
"""(count, 10) float32, 400 kB: weights of a moment never change, so this cannot be out of date."""


def _by_class(before: Evaluation, after: Evaluation, apart: Difference) -> None:
    chosen = address.optional("class")
    rows = []
    for part, name in zip(comparison.by_class(apart, before.labels), CLASSES, strict=True):
        number = CLASSES.index(name)
        shares = [frame.percent(result.correct[number] / max(1, result.total[number]), 1) for result in (before, after)]
        counts = f"{len(part.apart.only_second):,}", f"{len(part.apart.only_first):,}"
        link = address.here(**{"class": None if number == chosen else number, "page": None})
        rows.append(Row((name, *shares, *counts), link=link, is_shaded=number == chosen))
    ranking(COLUMNS, rows, sorted_by="", descending=False, label="Class by class", key="surgery_classes")


def _pictures(before: Evaluation, after: Evaluation, apart: Difference, pictures: Pictures) -> None:
    number = address.optional("class")
    sides = {"fixed": apart.only_second, "broken": apart.only_first}
    if number is not None:
        sides = {kind: indices[before.labels[indices] == number] for kind, indices in sides.items()}
    kind = controls.one_of(
        "Pictures",
        "change",
        ("broken", "fixed"),
        words={kind: f"{kind.capitalize()} ({len(found):,})" for kind, found in sides.items()},
        then=lambda: address.put(page=None),
        label_visibility="collapsed",
    )
    found = sides[kind]
    if not len(found):
        st.info("There is no such picture.", icon=":material/image_not_supported:")
        return
    page = controls.page_number(-(-len(found) // AT_ONCE))
    shown = found[(page - 1) * AT_ONCE : page * AT_ONCE]
    _grid(shown, before, after, pictures)


def _grid(shown: npt.NDArray[np.int64], before: Evaluation, after: Evaluation, pictures: Pictures) -> None:
    name = pictures.words.removesuffix("s").capitalize()
    places = pictures.indices[shown].tolist()
    turns = [(CLASSES[before.predictions[i]], CLASSES[after.predictions[i]]) for i in shown.tolist()]
    image_grid(
        pictures.images[shown],
        captions=[f"{was} → {now}" for was, now in turns],
        hovers=[
            f"{name} {place}\nTrue: {CLASSES[before.labels[i]]}\nBefore: {was}\nNow: {now}"
            for i, place, (was, now) in zip(shown.tolist(), places, turns, strict=True)
        ],
        links=[
            address.here(index=i, split=None, view=None, page=None, layer=None, unit=None, place=None) for i in places
        ],
        columns=5,
        cell=84,
        alt="Pictures whose prediction turned",
        key="flipped",
    )
    st.caption("What the network said before and says now. A click opens the picture inside the changed network.")

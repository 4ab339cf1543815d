"""What a channel or a hidden unit looks for, and what the network is without it."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.inside import units
from fmnist_core.inside.edits import mutable
from fmnist_core.inside.graph import INPUT
from fmnist_core.inside.stages import Stage
from fmnist_core.inside.units import Excitement
from fmnist_core.runs import client
from fmnist_core.runs.service import inspection
from fmnist_core.runs.service.inspection import Arrays
from fmnist_core.views import kernel
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts import address, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.inside.subject import Subject
from pages.parts.text import change, decimal, signed

SHOWN = 20
FRAME = 150
"""Grey level around the window that did it."""
ALIKE = 1e-3
"""Values that differ by less, as they are mostly kept in half precision, count as the same."""


def draw(subject: Subject) -> None:
    """The view."""
    if subject.edits.edits:
        st.caption("This view is about the network as it was trained, without the edits of the address.")
    hidden = subject.stages[:-1]
    if not hidden:
        st.info("This network has no hidden units: its ten outputs see the pixels themselves.", icon=":material/info:")
        return
    stage, unit = _choice(hidden)
    left, right = st.columns([1.35, 1], gap="large")
    with left:
        _strongest(subject, stage, unit)
    with right:
        _without(subject, stage, unit)


def _choice(hidden: tuple[Stage, ...]) -> tuple[Stage, int]:
    names = [stage.name for stage in hidden]
    name = address.word("layer", names, names[0])
    stage = hidden[names.index(name)]
    unit = address.whole("unit", high=stage.units - 1, default=0)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Layer",
            names,
            format_func={stage.name: stage.label for stage in hidden}.get,
            width=260,
            **address.bound("layer", name, then=lambda: address.put(unit=None, place=None)),
        )
        st.number_input(
            "Channel" if len(stage.shape) == 3 else "Unit",
            0,
            stage.units - 1,
            width=150,
            **address.bound("unit", unit, then=lambda: address.put(place=None)),
        )
    return stage, unit


# --- What it looks for ---------------------------------------------------------------------------------------------


def _strongest(subject: Subject, stage: Stage, unit: int) -> None:
    st.subheader(f"What {_called(stage, unit)} looks for", anchor=False)
    _kernel(subject, stage, unit)
    folder = client.folder(subject.run.id)
    state = inspection.begin(folder, subject.step, "units")
    kept = inspection.read(folder, subject.step, "units")
    if state == "computing":
        st.fragment(_wait, run_every=1.0, key="units")(subject.run.id, subject.step, "units", _extent(kept))
    if kept is None:
        if state == "failed":
            st.warning("This could not be computed.", icon=":material/error:")
        return
    found = Excitement(kept[f"{stage.name}/values"].astype(np.float32), kept[f"{stage.name}/places"].astype(np.uint16))
    order = found.strongest(unit, SHOWN)
    if not len(order):
        st.info("No picture excites it: it puts out 0 for every one. It is dead.", icon=":material/block:")
        return
    scored = subject.pictures
    pictures, labels, places = scored.images[order], scored.labels, scored.indices[order].tolist()
    captions = []
    for row, index in enumerate(order.tolist()):
        top, bottom, left, right = units.window(subject.trained, stage, int(found.places[index, unit]))
        if len(stage.shape) == 3:  # all but what it saw is dimmed
            dimmed = pictures[row] // 4
            dimmed[max(0, top - 1) : bottom + 2, max(0, left - 1) : right + 2] = FRAME
            dimmed[top : bottom + 1, left : right + 1] = pictures[row][top : bottom + 1, left : right + 1]
            pictures[row] = dimmed
        captions.append(f"{decimal(found.values[index, unit], 2)} · {CLASSES[labels[index]]}")
    image_grid(
        pictures,
        captions=captions,
        hovers=[
            f"{scored.words.removesuffix('s').capitalize()} {place}: {CLASSES[labels[i]]}"
            for i, place in zip(order.tolist(), places, strict=True)
        ],
        links=[address.here(view=None, split=None, index=i, place=None) for i in places],
        columns=5,
        cell=84,
        alt="The pictures that excite it most",
        key="strongest",
    )
    window = " Framed: the window that did it." if len(stage.shape) == 3 else ""
    values = found.values[:, unit]
    if (alike := int((values >= values.max() - ALIKE).sum())) > SHOWN:
        window += f" {alike:,} pictures reach the same largest value: these are the first of them."
    st.caption(
        f"The {len(order)} of {int(kept['pictures']):,} {scored.words} with its largest values.{window} A click follows the "
        "picture through the network."
    )
    _classes(found, unit, labels[: len(found.values)])


def _called(stage: Stage, unit: int) -> str:
    if len(stage.shape) < 3:
        return f"unit {unit} of {stage.name}"
    return f"{'filter' if stage.nodes[0].op == 'convolution' else 'channel'} {unit} of {stage.name}"


def _kernel(subject: Subject, stage: Stage, unit: int) -> None:
    """The nine numbers of a filter over the picture, and what they are large for."""
    first = stage.nodes[0]
    if first.op != "convolution" or first.inputs != (INPUT,):
        return
    weights = subject.trained.weights[f"{first.module}.weight"][unit, 0]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(kernel.drawing(weights), width=(kernel.CELL + 2) * len(weights))
        st.markdown(
            f"{kernel.in_words(weights)} The pictures that it answers to most show whether that is so.", width=340
        )


def _classes(found: Excitement, unit: int, labels: np.ndarray) -> None:
    """Its mean value for the pictures of each class."""
    means = [float(found.values[labels == label, unit].mean()) for label in range(10)]
    figure = go.Figure(go.Bar(x=list(CLASSES), y=means, marker_color=CLASS_COLOURS))
    figure.update_layout(
        height=230,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        title="Mean of its largest value, class by class",
        title_font_size=14,
    )
    figure.update_yaxes(exponentformat="power")
    st.plotly_chart(figure, config={"displayModeBar": False}, key="unit_classes")


# --- Without it ----------------------------------------------------------------------------------------------------


def _without(subject: Subject, stage: Stage, unit: int) -> None:
    st.subheader("The network without it", anchor=False)
    folder = client.folder(subject.run.id)
    state = inspection.begin(folder, subject.step, "muted")
    kept = inspection.read(folder, subject.step, "muted")
    if state == "computing":
        st.fragment(_wait, run_every=1.0, key="muted")(subject.run.id, subject.step, "muted", _extent(kept))
    if kept is None or not int(kept["pictures"]):
        if state != "computing":
            st.info(
                "Muting every unit of this network one after the other takes too long here. Surgery mutes one.",
                icon=":material/info:",
            )
        if _module(stage) in {node.module for node in mutable(subject.trained.nodes)}:
            _surgery(stage, unit)
        return
    _one(stage, unit, kept)
    _all(subject, kept)


def _one(stage: Stage, unit: int, kept: Arrays) -> None:
    accuracy = kept.get(f"{_module(stage)}/accuracy")
    if accuracy is None:
        st.caption("Its layer has nothing of its own to mute, or its turn has not come yet.")
        return
    moved = change(100 * (float(accuracy[unit]) - float(kept["accuracy"])), 2, " points")
    logits = kept[f"{_module(stage)}/logits"][unit]
    st.metric("Accuracy without it", frame.percent(float(accuracy[unit])), border=True, **moved)
    figure = go.Figure(
        go.Bar(x=[-float(v) for v in logits], y=list(CLASSES), orientation="h", marker_color=CLASS_COLOURS)
    )
    figure.update_layout(
        height=270,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        title="What it adds to each score, on average",
        title_font_size=14,
    )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(exponentformat="power")
    st.plotly_chart(figure, config={"displayModeBar": False}, key="unit_scores")
    _surgery(stage, unit)


def _surgery(stage: Stage, unit: int) -> None:
    st.button(
        "Mute it in Surgery: which classes and pictures turn",
        icon=":material/healing:",
        on_click=address.put,
        kwargs={"view": "surgery", "edits": f"mute:{_module(stage)}:{unit}"},
        key="mute_this",
    )


def _all(subject: Subject, kept: Arrays) -> None:
    """Every unit muted, one after the other."""
    names, changes, colours = [], [], []
    palette = ("#6b74e6", "#ee7733", "#44bb99", "#aa3377")
    for place, node in enumerate(mutable(subject.trained.nodes)):
        accuracy = kept.get(f"{node.module}/accuracy")
        if accuracy is None:
            continue
        names += [f"{node.module} {n}" for n in range(len(accuracy))]
        changes += (100 * (accuracy - float(kept["accuracy"]))).tolist()
        colours += [palette[place % len(palette)]] * len(accuracy)
    figure = go.Figure(
        go.Bar(
            x=names,
            y=changes,
            marker_color=colours,
            customdata=[signed(change, 2) for change in changes],
            hovertemplate="%{x}: %{customdata} points<extra></extra>",
        )
    )
    figure.update_layout(
        height=230,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        title="Each one muted alone: change of accuracy",
        title_font_size=14,
    )
    figure.update_xaxes(showticklabels=False)
    st.plotly_chart(figure, config={"displayModeBar": False}, key="all_muted")
    worst = int(np.argmin(changes))
    part = "" if bool(kept["whole"]) else " More are being computed."
    most = (
        f"The one that matters most: {names[worst]}, {signed(changes[worst], 2)} points."
        if round(changes[worst], 2) < 0
        else "Without any one of them, the network is as accurate as with it."
    )
    st.caption(f"Measured on {int(kept['pictures']):,} {subject.pictures.words}, {len(names)} units. {most}{part}")


def _module(stage: Stage) -> str:
    return next((node.module for node in stage.nodes if node.op in ("convolution", "linear")), "")


def _extent(kept: Arrays | None) -> int:
    """How much there is already: more of it draws the page again."""
    return 0 if kept is None else len(kept) + int(kept["pictures"])


def _wait(run_id: str, step: int, what: inspection.What, shown: int) -> None:
    st.caption(":material/timelapse: Being computed in the background.")
    try:
        folder = client.folder(run_id)
    except client.RunNotFound:
        st.rerun()
    if inspection.begin(folder, step, what) != "computing" or _extent(inspection.read(folder, step, what)) != shown:
        st.rerun()

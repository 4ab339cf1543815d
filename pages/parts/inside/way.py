"""The way through: every value of every layer for one picture, and the arithmetic behind the one pointed at."""

from __future__ import annotations

import streamlit as st

from pages.parts import address
from pages.parts.components.microscope import microscope
from pages.parts.inside.subject import Subject

KEY = "microscope"


def draw(subject: Subject) -> None:
    """The view. A choice within it runs this part of the page alone."""
    if subject.is_large:
        st.caption(
            f"The browser fetches {sum(t.size for t in subject.trained.weights.values()):,} weights and computes each value "
            "of this network: seconds for a picture."
        )
    st.fragment(_way)(subject)


def _way(subject: Subject) -> None:
    layer, unit, place = selected(subject)
    microscope(
        subject.run.id,
        subject.patient.network,
        subject.image,
        step=subject.step,
        steps=subject.steps,
        selected=(layer, unit, place),
        label=subject.label,
        title=subject.title,
        per_layer=address.word("colours") == "layer",
        edits=subject.edits.text,
        on_select=_selected,
        key=KEY,
    )
    if subject.run.config.flip_test:
        st.caption("This run's measurements average each picture with its mirror image; here is the picture alone.")


def selected(subject: Subject) -> tuple[str, int, int | None]:
    """Stage, channel or unit, and place in its map, as the address names them; first the output that decided."""
    names = [stage.name for stage in subject.stages]
    layer = address.word("layer", names, names[-1])
    stage = next(stage for stage in subject.stages if stage.name == layer)
    if address.has("unit") or layer != names[-1]:
        unit = address.whole("unit", high=stage.units - 1, default=0)
    else:
        unit = int(subject.patient.network.values(subject.image[None])[stage.output.name][0].argmax())
    if len(stage.shape) < 3:
        return layer, unit, None
    return layer, unit, address.optional("place", high=stage.shape[1] * stage.shape[2] - 1)


def _selected() -> None:
    chosen = st.session_state[KEY].selected
    if chosen and "scale" in chosen:
        address.put(colours="layer" if chosen["scale"] == "layer" else None)
    elif chosen:
        address.put(layer=str(chosen["layer"]), unit=int(chosen["unit"]), place=chosen["place"])

"""All test pictures on one map: what the network's last hidden layer puts near each other."""

from __future__ import annotations

from typing import Literal, cast

import streamlit as st

from pages.parts import address, controls
from pages.parts.components.picture_map import picture_map
from pages.parts.inside.subject import Subject

OF = {"hidden": "Last hidden layer", "pixels": "Pixels"}
COLOUR = {"true": "True class", "predicted": "Predicted class", "right": "Right and wrong"}


def draw(subject: Subject) -> None:
    """The view."""
    if subject.edits.edits:
        st.caption("This view is about the network as it was trained, without the edits of the address.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = controls.one_of("Near each other by", "map_of", words=OF)
        colour = controls.one_of("Colour", "map_colour", words=COLOUR)
        only = controls.class_choice("Class", "class", placeholder="Any class", width=190)
    picture_map(
        subject.run.id,
        step=subject.step,
        steps=subject.steps,
        of=cast(Literal["hidden", "pixels"], of),
        colour=cast(Literal["true", "predicted", "right"], colour),
        only=only,
        link=address.here(view=None, split=None, layer=None, unit=None, place=None, index=None) + "&index=",
        key="picture_map",
    )
    st.caption(
        "Each test picture stands where its first two principal components are. Pictures far from each other are unlike for the "
        "network; pictures near each other may still differ in the directions that two axes leave out. The slider moves "
        "training, and each moment is turned to lie as near the last one as it can. “Pixels” shows what is near before any "
        "network has looked. A click follows a picture through the network."
    )

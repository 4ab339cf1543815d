"""Drawing: a pad that is judged while the pen moves. The drawing itself is in the address."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.brought.pixels import as_text, from_text
from fmnist_core.data.dataset import CLASSES
from pages.parts import address, controls, frame
from pages.parts.components import drawing_pad
from pages.parts.yours import collection
from pages.parts.yours.answering import Judge

KEY = "pad"


def draw(judges: Sequence[Judge]) -> npt.NDArray[np.uint8]:
    """The view; the drawing (28, 28) uint8."""
    picture = _picture()
    drawing_pad.drawing_pad(
        picture,
        judges=[drawing_pad.Judge(judge.run.id, judge.step, judge.name) for judge in judges],
        on_drawn=_drawn,
        key=KEY,
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        test = frame.data_or_stop("test")
        index = controls.whole_number("Test picture", "start", width=150)
        st.button(
            f"Begin with this {CLASSES[test.labels[index]]}",
            key="begin_with",
            icon=":material/edit:",
            on_click=_begin_with,
            args=(index,),
        )
        st.button("Another", key="another", icon=":material/shuffle:", on_click=_another, args=(index,))
    st.caption(
        "Light on black, as in the data: fill the shape, let it touch two opposite edges, and let shoes point left. With the "
        "pad in focus the arrow keys move the drawing, z undoes, e erases, m mirrors."
    )
    collection.keep_button(picture, "Drawing")
    return picture


def _picture() -> npt.NDArray[np.uint8]:
    """The drawing of the address; an empty one, and a sentence, where that is none."""
    text = address.text("pixels")
    try:
        return from_text(text) if text else np.zeros((28, 28), np.uint8)
    except ValueError:
        address.put(pixels=None)
        st.warning("The address holds no drawing that can be read: the pad begins empty.", icon=":material/link_off:")
        return np.zeros((28, 28), np.uint8)


def put(picture: npt.NDArray[np.uint8]) -> None:
    """The picture (28, 28) uint8 is the drawing from now on."""
    address.put(pixels=as_text(picture) if picture.any() else None)


def _drawn() -> None:
    if (picture := drawing_pad.drawn(KEY)) is not None:
        put(picture)


def _begin_with(index: int) -> None:
    put(frame.data_or_stop("test").images[index])


def _another(index: int) -> None:
    other = (index + 7_919) % 10_000  # a prime: all of them, in no order that the eye would notice
    put(frame.data_or_stop("test").images[other])
    address.put(start=other)

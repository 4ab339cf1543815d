"""A pad of 28 x 28 pixels to draw on, judged while the pen moves."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.brought.pixels import from_bytes
from fmnist_core.data.dataset import CLASSES
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts.components import load

_component = load("drawing_pad")


@dataclass(frozen=True)
class Judge:
    """A network that says what it sees."""

    run: str
    step: int
    name: str


def drawing_pad(
    picture: npt.NDArray[np.uint8], *, judges: Sequence[Judge], on_drawn: Callable[[], None], key: str
) -> None:
    """Show the picture (28, 28) uint8 to draw on, and beside it what each of `judges` makes of it.

    `on_drawn` is called when the pen is lifted: `drawn(key)` is the picture then.
    """
    _component(
        key=key,
        data={
            "pixels": base64.b64encode(np.ascontiguousarray(picture).tobytes()).decode(),
            "judges": [{"run": judge.run, "step": judge.step, "name": judge.name} for judge in judges],
            "classes": CLASSES,
            "colours": CLASS_COLOURS,
        },
        on_drawn_change=on_drawn,
    )


def drawn(key: str) -> npt.NDArray[np.uint8] | None:
    """The picture (28, 28) uint8 that was just drawn; None where what the browser sent is none."""
    sent = st.session_state[key].drawn
    try:
        return from_bytes(sent) if isinstance(sent, str) else None
    except ValueError:
        return None

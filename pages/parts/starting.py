"""Buttons that start something: two quick clicks start it once, and a refusal is a sentence.

A second click cuts the script short that answers the first one, at whatever Streamlit call comes next, a word to the session
among them. So what must not be parted stands without such a call between, in an object of our own: that something has been
started, what, and that its button is another one from now on. What is left to do is done by whichever script comes to it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import streamlit as st

from fmnist_core.runs import client
from pages.parts.text import plain

DOUBLE_CLICK = 1.0
"""Seconds: half of one between two clicks of a hand, and the way to the server."""

Started = TypeVar("Started")


@dataclass
class _Starts:
    """What a visitor has started."""

    count: int = 0
    at: float = -math.inf
    """When the last one was, by the monotonic clock."""
    unseen: dict[str, Any] = field(default_factory=dict)
    """By the name of the button: what it started, until the page shows it."""


def button(
    label: str,
    name: str,
    begin: Callable[[], Started],
    then: Callable[[Started], None],
    *,
    leaves: bool = False,
    **looks: Any,
) -> None:
    """A button that begins something; after `then`, which makes the page show it, the page is drawn again.

    After each start its key is another one: a click that was still on its way to the first finds no such button. Where the new
    one is drawn before the hand has clicked twice, the second click comes too soon to be meant for it.
    `leaves`: `then` goes to another page.
    """
    starts: _Starts = st.session_state.setdefault("starts", _Starts())
    clicked = st.button(label, key=f"{name}_{starts.count}" if starts.count else name, **looks)
    if clicked and time.monotonic() - starts.at > DOUBLE_CLICK:
        try:
            starts.unseen[name] = begin()
            starts.count, starts.at = starts.count + 1, time.monotonic()
        except (client.RunRefused, client.RunNotFound) as error:
            st.error(plain(str(error)), icon=":material/block:")
    if name in starts.unseen:
        if leaves:
            then(starts.unseen.pop(name))
        then(starts.unseen[name])
        del starts.unseen[name]
        st.rerun()

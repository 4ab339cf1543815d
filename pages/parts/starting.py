"""A start that two quick clicks make once, and a refusal in a sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from fmnist_core.runs import client
from pages.parts.text import plain

DOUBLE_CLICK = 1.5
"""Seconds within which the same start counts as the same click."""

Started = TypeVar("Started")


def start_once(wanted: object, start: Callable[[], Started]) -> Started | None:
    """What `start` gives; None for the second half of a double click, and where it is refused, which is said.

    `wanted`: what is started: equal for two clicks that mean the same.
    """
    last, at = st.session_state.get("last_start", (None, 0.0))
    if last == wanted and time.monotonic() - at < DOUBLE_CLICK:
        return None
    try:
        started = start()
    except client.RunRefused as error:
        st.error(plain(str(error)), icon=":material/block:")
        return None
    st.session_state["last_start"] = (wanted, time.monotonic())
    return started

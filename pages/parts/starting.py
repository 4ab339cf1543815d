"""A start that two quick clicks make once, and a refusal in a sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from fmnist_core.runs import client
from pages.parts.text import plain

Started = TypeVar("Started")


def once(name: str) -> str:
    """The key of a button that starts something: after each start another one, so that of two quick clicks the second
    is meant for a button that is no longer there.
    """
    starts = st.session_state.get("starts", 0)
    return f"{name}_{starts}" if starts else name


def start(begin: Callable[[], Started]) -> Started | None:
    """What `begin` gives; None where it is refused, which is said. The page is drawn again after it."""
    try:
        started = begin()
    except (client.RunRefused, client.RunNotFound) as error:
        st.error(plain(str(error)), icon=":material/block:")
        return None
    st.session_state["starts"] = st.session_state.get("starts", 0) + 1
    return started

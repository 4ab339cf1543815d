"""The anonymous name that a browser goes by, so that people who share a server can tell their runs apart.

It is drawn by lot, kept by the browser itself in a cookie, and can be changed. It proves nothing and protects nothing.
"""

from __future__ import annotations

import secrets
from urllib.parse import quote, unquote

import streamlit as st

from fmnist_core.runs.text import one_line

COOKIE = "fmnist-name"
LONGEST = 40
ADJECTIVES = ("Amber", "Brisk", "Calm", "Dapper", "Eager", "Fair", "Gentle", "Hazel", "Keen", "Lucid", "Merry", "Quiet")
BIRDS = ("crane", "finch", "heron", "ibis", "jay", "kestrel", "lark", "martin", "owl", "plover", "robin", "wren")

_keeper = st.components.v2.component(
    "person",
    html="<span></span>",
    js="""
    export default ({ data }) => {
      document.cookie = `${data.cookie}=${data.value}; max-age=31536000; path=/; SameSite=Lax`;
    };
    """,
)


def person() -> str:
    """The name of whoever looks at this page."""
    if "person" not in st.session_state:
        st.session_state["person"] = _tidy(unquote(st.context.cookies.get(COOKIE, ""))) or _drawn()
    name: str = st.session_state["person"]
    return name


def remember() -> None:
    """Have the browser keep the name; once a page."""
    _keeper(key="person_keeper", data={"cookie": COOKIE, "value": quote(person(), safe="")})


def call_me(name: str) -> None:
    """From now on this browser goes by `name`; an empty one draws another."""
    st.session_state["person"] = _tidy(name) or _drawn()


def _drawn() -> str:
    return f"{secrets.choice(ADJECTIVES)} {secrets.choice(BIRDS)} {secrets.randbelow(90) + 10}"


def _tidy(name: str) -> str:
    return one_line(name[: 4 * LONGEST])[:LONGEST].strip()

"""Who looks at this page: from the door where the server has one (`server/door.py`), else a name drawn by lot.

A drawn name is kept by the browser in a cookie, with an id that keeps two of one name apart, and can be changed. It proves
nothing and protects nothing: where nobody asks, everybody may do everything.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from urllib.parse import quote, unquote

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from fmnist_core.runs import people
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.people import Person
from pages.parts.server.doorway import FIELD, LONGEST, is_guarded, tidy, told
from pages.parts.server.names import ADJECTIVES, BIRDS

COOKIE = "fmnist-name"
NUMBERS = 90_000
"""With 576 pairs of words 52 million names: two of 200 people share one in fewer than one class of a thousand."""
VISITED = "fmnist-pages"
LONGEST_LIST = 200
"""Characters of the kept list of pages."""

_keeper = st.components.v2.component(
    "person",
    html="<span></span>",
    js="""
    export default ({ data }) => {
      for (const [name, value] of Object.entries(data)) {
        document.cookie = `${name}=${value}; max-age=31536000; path=/; SameSite=Lax`;
      }
    };
    """,
)


def me() -> Person:
    """Whoever looks at this page. Behind the door, somebody whom it has not told of is nobody, and may do nothing."""
    if is_guarded():
        return told(str(st.user.get(FIELD) or "")) or Person("nobody", "", "learner")
    if "person" not in st.session_state:
        name, _, known = _cookie(COOKIE).partition(":")
        marked = known if re.fullmatch(r"[0-9a-f]{8}", known) else secrets.token_hex(4)
        st.session_state["person"] = (marked, tidy(unquote(name)) or _drawn())
    identity, name = st.session_state["person"]
    return Person(identity, name, "teacher")


def may_change(run: Run) -> bool:
    """Whether they may steer, rename, annotate and delete it: then they are offered it."""
    return people.may_change(run, me())


def whose(run: Run) -> str:
    """Who started it, where that is somebody else; "" for one's own runs and nobody's."""
    return "" if people.is_own(run, me()) else run.owner


def person() -> str:
    """The name of whoever looks at this page."""
    return me().name


def remember(visited: Iterable[str] = ()) -> None:
    """Have the browser keep the name, and which pages it has opened; once a page."""
    now = me()
    kept = {} if is_guarded() else {COOKIE: f"{quote(now.name, safe='')}:{now.id}"}
    if visited:
        kept[VISITED] = quote(",".join(sorted(visited)), safe="")
    if kept:
        _keeper(key="person_keeper", data=kept)


def visited_before() -> set[str]:
    """The pages that this browser had opened when its session began."""
    kept = unquote(_cookie(VISITED))
    return set(filter(None, kept[:LONGEST_LIST].split(",")))


def call_me(name: str) -> None:
    """From now on this browser goes by `name`; an empty one draws another. Behind the door the name is the one given there."""
    if not is_guarded():
        st.session_state["person"] = (me().id, tidy(name) or _drawn())


def _cookie(name: str) -> str:
    value: object = st.context.cookies.get(name, "")  # AppTest, which has no browser, gives an object that is no text
    return value if isinstance(value, str) else ""


def _drawn() -> str:
    return f"{secrets.choice(ADJECTIVES)} {secrets.choice(BIRDS)} {secrets.randbelow(NUMBERS) + 10_000}"


people.asked_by(lambda: me() if get_script_run_ctx(suppress_warning=True) else None)

__all__ = ["LONGEST", "call_me", "may_change", "me", "person", "remember", "whose"]

"""In a class's menu: who one is, the way out, and for teachers what learners see of each other."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from fmnist_core.runs import people
from fmnist_core.runs.bell import runs_folder
from fmnist_core.runs.people import Others
from pages.parts.person import me
from pages.parts.server.doorway import is_guarded, proxys_header
from pages.parts.text import plain

WORDS: dict[Others, str] = {
    "all": "All runs",
    "finished": "Others’ runs once they have finished one",
    "none": "Only their own runs",
}


def who() -> None:
    """Nothing where nobody asks."""
    if not is_guarded():
        return
    person = me()
    with st.container(key="who", gap="xsmall"):
        st.markdown(f":material/person: **{plain(person.name) or 'Nobody'}**, {person.role}")
        if proxys_header() is None:
            st.html('<a href="door/leave" target="_self">Leave, or come in as somebody else</a>')
        if person.role == "teacher":
            st.selectbox(
                "Learners see",
                get_args(Others),
                get_args(Others).index(people.others_shown(runs_folder())),
                format_func=WORDS.get,
                key="others_shown",
                on_change=_decide,
            )


def _decide() -> None:
    try:
        people.show_others(runs_folder(), st.session_state["others_shown"])
    except (OSError, PermissionError) as error:
        st.toast(plain(str(error)), icon=":material/block:")

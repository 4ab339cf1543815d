"""The queue on the Train page: who waits, in which place, and when it is expected to start."""

from __future__ import annotations

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.queue import Waiting
from pages.parts import frame
from pages.parts.person import LONGEST, call_me, person, remember
from pages.parts.runs.run_list import duration


def queue_view() -> None:
    """The waiting runs in their order, one's own with buttons; nothing where nobody waits."""
    remember()
    me = person()
    waiting = client.queue()
    if waiting:
        st.subheader(f"Queue: {len(waiting)} waiting", anchor=False)
        st.fragment(_rows, run_every=3.0, key="queue")(len(waiting), me)
        st.caption("People take turns; within your own runs you set the order. A run starts when a slot is free.")
    with st.popover(f"You are {frame.plain(me)}", icon=":material/badge:", key="who"):
        st.markdown("Your runs carry this name, so that everyone can see whose run is whose.")
        name = st.text_input("Name", me, max_chars=LONGEST, key=f"name_of_{me}")
        st.caption("This browser keeps it in a cookie. It is no login: whoever reaches this page can steer every run.")
        if name != me:
            call_me(name)
            st.rerun()


def _rows(shown: int, me: str) -> None:
    waiting = client.queue()
    if len(waiting) != shown:
        st.rerun()  # one has started or was cancelled
    own = [found.run.id for found in waiting if found.run.owner == me]
    with st.container(border=True, gap="xsmall"):
        for found in waiting:
            _row(found, own)


def _row(found: Waiting, own: list[str]) -> None:
    run = found.run
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{found.place}**", width=28)
        frame.page_link("train", frame.plain(run.title), run=run.id)
        start = _start(found)
        st.caption(f"{frame.plain(run.owner) or 'nobody in particular'} · {start}", width="stretch")
        if run.id not in own:
            return
        place = own.index(run.id)
        for icon, to, words in (("arrow_upward", place - 1, "Earlier"), ("arrow_downward", place + 1, "Later")):
            st.button(
                words,
                icon=f":material/{icon}:",
                key=f"{words}_{run.id}",
                disabled=not 0 <= to < len(own),
                on_click=_ask,
                args=(lambda run_id=run.id, to=to: client.move(run_id, to),),
                type="tertiary",
            )
        st.button(
            "Cancel",
            icon=":material/close:",
            key=f"cancel_{run.id}",
            on_click=_ask,
            args=(lambda run_id=run.id: client.stop(run_id),),
            type="tertiary",
        )


def _start(found: Waiting) -> str:
    if not found.starts_in:
        return "starts next" if found.place == 1 else "start not known yet"
    return f"starts in about {duration(found.starts_in)}"


def _ask(ask: object) -> None:
    try:
        ask()  # type: ignore[operator]
    except (client.RunNotFound, client.RunRefused) as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")

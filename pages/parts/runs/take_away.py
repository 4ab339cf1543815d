"""The menu "Take away" of a run, and the way in for one that was taken away elsewhere."""

from __future__ import annotations

import streamlit as st

from fmnist_core.export import archive
from fmnist_core.export.catalogue import EXPORTS, Export
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.people import Person, acting_as
from pages.parts import address, frame
from pages.parts.person import me, person

LARGEST_UPLOAD = 200
"""MB: a run of the tutorial's network has about 40."""
LARGEST_DOWNLOAD = 300_000_000
"""Bytes that the page holds in memory for a download."""


def take_away(run: Run) -> None:
    """A button that opens the menu; what is in it is drawn once it is open, and made once it is asked for."""
    menu = st.popover("Take away", icon=":material/download:", key="take_away_menu", on_change="rerun")
    if not menu.open:
        return
    who = me()
    with menu:
        for export in EXPORTS:
            _entry(run, export, who)


def _entry(run: Run, export: Export, who: Person) -> None:
    size = export.size(run)
    why_not = export.why_not(run)
    if not why_not and size > LARGEST_DOWNLOAD:
        why_not = f"It has about {_size(size)}, too much for the page. In a terminal: {export.command(run)}"
    with st.container(gap="small"):
        st.markdown(f"**{export.title}** · {export.use}")
        if why_not:
            st.caption(frame.plain(why_not))
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                f"Download, about {_size(size)}",
                data=lambda: _made(run, export, who),  # on a click, not at every rerun
                file_name=export.file_name(run),
                mime=export.mime,
                on_click="ignore",
                icon=":material/download:",
                key=f"take_away_{export.name}",
            )
            st.code(export.command(run), language=None, width="stretch")


def _made(run: Run, export: Export, who: Person) -> bytes:
    """The file, made for whoever clicked: Streamlit asks for it in a thread that knows nobody."""
    with acting_as(who):
        return export.make(run)


def _size(count: int) -> str:
    """A number of bytes in words.

    >>> _size(400), _size(320_000), _size(41_000_000)
    ('1 kB', '320 kB', '41 MB')
    """
    return f"{count / 1e6:,.0f} MB" if count >= 1_000_000 else f"{max(1, round(count / 1e3)):,} kB"


def bring() -> None:
    """A run folder that was taken away elsewhere becomes a run here."""
    field = st.expander("Bring a run", icon=":material/upload:", key="bring", on_change="rerun")
    if not field.open:
        return
    with field:
        st.caption(
            "The file that **Take away** names Run folder. Everything in it is checked before it becomes a run here."
        )
        file = st.file_uploader("Run folder (.zip)", type="zip", max_upload_size=LARGEST_UPLOAD, key="bring_a_run")
        if file is None or st.session_state.get("brought") == file.file_id:
            return
        try:
            run_id = archive.read(file, owner=person())
        except archive.ImportRefused as error:
            st.error(frame.plain(str(error)), icon=":material/block:")
            return
        st.session_state["brought"] = file.file_id  # the file stays in its field: it is not brought again
        address.put(run=run_id)
        st.rerun()

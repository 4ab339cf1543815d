"""What keeps runs from starting, said on the page; and folders of runs that cannot be read."""

from __future__ import annotations

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from pages.parts import frame
from pages.parts.runs.nodes import where

MOST = 5
"""Folders that are named."""


def trouble() -> None:
    """One sentence while something keeps every run from starting; else nothing."""
    if why := client.trouble():
        st.error(frame.plain(why), icon=":material/error:")


def of_run(run: Run) -> None:
    """Where it is on a cluster; what of its record cannot be read, where that is not why it is over."""
    where(run)
    if run.fault and run.fault != run.reason:
        st.warning(f"{frame.plain(run.fault)} The rest is shown.", icon=":material/broken_image:")


def unreadable() -> None:
    """The folders that are in no list because their settings cannot be read, with what is wrong."""
    if found := client.unreadable():
        few = "\n\n".join(f"{run_id}: {frame.plain(why)}" for run_id, why in sorted(found.items())[:MOST])
        rest = f"\n\nAnd {len(found) - MOST:,} more." if len(found) > MOST else ""
        st.warning(
            f"Folders in the runs folder that cannot be read as runs: mend or remove them.\n\n{few}{rest}",
            icon=":material/folder_off:",
        )

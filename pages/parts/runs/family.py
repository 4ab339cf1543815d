"""Where a run comes from and what came of it: its parent, the proof that it can be repeated, its branches."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fmnist_core.inside.edits import Edits
from fmnist_core.runs import client
from fmnist_core.runs.files import curve
from fmnist_core.runs.files.opened import opened, opened_steps
from fmnist_core.runs.files.record import Run
from pages.parts import frame

MOST_LINKS = 6


def parent_of(run: Run, runs: Sequence[Run]) -> Run | None:
    """The run that it branched off from; None where there is none, or no longer."""
    return next((other for other in runs if run.parent and other.id == run.parent[0]), None)


def family(run: Run, runs: Sequence[Run]) -> None:
    """Links to parent and branches; how many of a branch's losses differ from its parent's."""
    if run.parent:
        parent = parent_of(run, runs)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":material/call_split: Branched off at step {run.parent[1]:,} of", width="content")
            if parent:
                _link(parent)
            else:
                st.caption("a run that has been deleted.", width="content")
        if run.edits:
            st.caption(f":material/healing: Changed by hand before it went on: {edits_in_words(run)}")
        if parent:
            st.fragment(_proof, run_every=2.0 if run.is_active else None, key="proof")(run.id, parent.id)
    branches = [other for other in runs if other.parent and other.parent[0] == run.id]
    if branches:
        words = "1 branch:" if len(branches) == 1 else f"{len(branches)} branches:"
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption(f":material/call_split: {words}", width="content")
            for branch in branches[:MOST_LINKS]:
                _link(branch)


def edits_in_words(run: Run) -> str:
    """What was changed in its first weights, as Markdown."""
    try:
        folder = client.folder(run.id)
        edits = Edits.parse(run.edits, opened(folder, opened_steps(folder)[0]))
    except (client.RunNotFound, OSError, ValueError, IndexError):
        return frame.plain(run.edits)
    return frame.plain("; ".join(edit.words for edit in edits.edits))


def _link(run: Run) -> None:
    frame.page_link("train", frame.plain(run.title), run=run.id)


def _proof(run_id: str, parent_id: str) -> None:
    try:
        run, parent = client.get(run_id), client.get(parent_id)
        differ, compared = losses_that_differ(run, parent)
    except (client.RunNotFound, OSError):
        return
    if not compared:
        ended = parent.step <= run.first_step and parent.state.is_final
        st.caption(
            "Its parent ended where it begins, so there is nothing to compare."
            if ended
            else "Its losses are laid over those of its parent as they come."
        )
    elif run.edits:
        st.caption(_left(run, parent))
    elif not differ:
        st.markdown(f":material/verified: **It lies exactly over its parent: 0 of {compared:,} losses differ.**")
    elif run.config_at(run.first_step) == parent.config_at(run.first_step):
        st.markdown(
            f":material/info: **{differ:,} of {compared:,} losses differ from its parent's**, though no setting does: bits are "
            "the same only on the same device with as many threads."
        )
    else:
        st.caption(_left(run, parent))


def _left(run: Run, parent: Run) -> str:
    """When it left its parent's path."""
    own, others = _curves(run, parent)
    length = min(len(own), len(others))
    after = int((own[:length] != others[:length]).argmax())
    steps = "at once" if after == 0 else "after one step" if after == 1 else f"after {after:,} steps"
    return f"It left its parent's path {steps}."


def losses_that_differ(run: Run, parent: Run) -> tuple[int, int]:
    """(how many, of how many): losses of a branch that are not bit for bit those of its parent at the same steps."""
    own, others = _curves(run, parent)
    own, others = own[: len(others)], others[: len(own)]
    return int((own != others).sum()), len(own)


def _curves(run: Run, parent: Run) -> tuple[curve.Curve, curve.Curve]:
    """The losses of both from where they part."""
    others = curve.losses(client.folder(parent.id))[run.first_step - parent.first_step :]
    return curve.losses(client.folder(run.id)), others

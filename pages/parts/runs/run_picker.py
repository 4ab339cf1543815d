"""Which run a page is about: the one in the address, or one chosen from a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from pages.parts import address, frame
from pages.parts.runs import first_run, now


def run_in_address(listed: Sequence[Run] = ()) -> Run | None:
    """The run that `?run=` names; a sentence where there is no such run. `listed`: those that the page has read already."""
    if not (run_id := address.text("run")):
        return None
    if run := next((run for run in listed if run.id == run_id), None):
        return run
    try:
        run = client.get(run_id)
        if run.job is None:
            return run
        st.warning("The address names a race or a rate test, not a run. Races are on the page Explore.")
        return None
    except client.RunNotFound as error:
        st.warning(f"{error} Choose one from the list below.", icon=":material/search_off:")
        return None


def newest(runs: Sequence[Run]) -> Run:
    """What is shown where no run is named, of `runs`, the newest first: one that is no part of a study, as long as there is one."""
    return min(runs, key=lambda run: run.group is not None)


def run_picker(*, sealed: bool = False) -> Run | None:
    """A list of the runs with a measured network, at the one in the address, which follows it; None where there is none.

    Runs of a sweep in which nothing has been chosen yet are not among them, but for the one in the address where the page can
    do without test pictures (`sealed`).
    """
    if first_run.is_waited_for():
        return None
    listed = client.list_runs()
    named = run_in_address(listed)
    measured = [run for run in listed if run.latest]
    runs, hidden = [run for run in measured if not run.is_sealed], [run for run in measured if run.is_sealed]
    if named and named.is_sealed and not (sealed and named.latest):
        left_out([named])
        return None
    if named and named.is_sealed:
        runs = [*runs, named]
    if named and not named.latest:
        every = None if named.state.is_final else 2.0
        st.fragment(_not_measured, run_every=every, key="not_measured")(named.id, has_others=bool(runs))
    if not runs:
        left_out(hidden) if hidden else first_run.offer()
        return None
    ids = [run.id for run in runs]
    current = named.id if named and named.id in ids else newest(runs).id
    if address.text("run") != current and (named is None or not named.is_active):
        address.put(run=current)
    names = dict(zip(ids, map(title, runs), strict=True))
    st.selectbox("Run", ids, format_func=names.get, width=520, **address.bound("run", current))
    return runs[ids.index(current)]


def _not_measured(run_id: str, *, has_others: bool) -> None:
    """Why a page about what a network does has nothing to say of a run yet; once it has, the page is drawn again."""
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if run.latest:
        st.rerun()
    meanwhile = " Until then this page shows another run." if has_others else ""
    match run.state:
        case State.QUEUED:
            words = f"{_waits(run)} Its network is measured before the first step.{meanwhile}"
        case State.PAUSED:
            words = f"was paused before it was measured. Resume it on the page Train.{meanwhile}"
        case _ if run.is_active:
            words = f"is getting ready: it is measured before its first step, in a moment.{meanwhile}"
        case _:
            words = "ended before it was measured: choose another."
    st.info(f"**{frame.plain(run.title)}** {words}", icon=":material/hourglass_empty:")


def _waits(run: Run) -> str:
    """For what: its place in the queue, or why it is there again, and what trains meanwhile."""
    busy = [other for other in client.list_runs() if other.state in (State.STARTING, State.RUNNING)]
    training = f" Training now: {', '.join(f'**{frame.plain(other.title)}**' for other in busy)}." if busy else ""
    return f"is waiting. {frame.plain(now.words(run))}{training}"


def title(run: Run) -> str:
    """Name, number, newest accuracy and day of a run: what tells it from others in a list. Plain text, not Markdown."""
    words = run.title if run.title == f"Run {run.sequence}" else f"{run.title} · run {run.sequence}"
    score = run.latest and run.latest.step and run.latest.test  # before training it is no accuracy of this run
    return " · ".join(filter(None, [words, frame.percent(score.accuracy) if score else "", day(run)]))


def day(run: Run) -> str:
    """The day on which it was started, such as "21 Nov"; "" for today."""
    started, now = datetime.fromisoformat(run.created_at).astimezone(), datetime.now().astimezone()
    year = f" {started.year}" if started.year != now.year else ""
    return "" if started.date() == now.date() else f"{started.day} {started:%b}{year}"


def left_out(hidden: Sequence[Run]) -> None:
    """Why runs of open sweeps are not here, and the way to the choice."""
    sweeps: dict[str, list[Run]] = {}
    for run in sorted(hidden, key=lambda run: run.sequence):
        sweeps.setdefault(run.group.name if run.group else "", []).append(run)
    one = "This run belongs" if len(hidden) == 1 else f"{len(hidden)} runs belong"
    which, its = ("a sweep", "its") if len(sweeps) == 1 else ("sweeps", "their")
    st.info(
        f"{one} to {which} in which nothing has been chosen yet. What {its} networks do on the test pictures stays hidden "
        "until then: whoever chooses after looking has trained on them, a little.",
        icon=":material/visibility_off:",
    )
    if len(hidden) == 1 and hidden[0].latest:
        frame.page_link("inside", "Look inside, on its held-out pictures", icon=":material/biotech:", run=hidden[0].id)
    for name, runs in sweeps.items():
        several = f"To the sweep of {len(runs)} run{'s' * (len(runs) > 1)}, from run {runs[0].sequence} on"
        label = several if len(sweeps) > 1 else "To the sweep and its choice"
        frame.page_link("explore", label, icon=":material/arrow_forward:", view="sweep", sweep=name)


def no_runs() -> None:
    """There is nothing to show yet: the way to a first run."""
    st.info("No network has been trained yet. Train one first: a single epoch is enough to begin with.")
    frame.page_link("train", "Train a network", icon=":material/arrow_forward:")

"""The learning-rate finder beside the learning-rate slider."""

from __future__ import annotations

import contextlib

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files import curve
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import RateTest, Suggestion, suggest
from fmnist_core.views import settings
from pages.parts import address, frame
from pages.parts.person import may_change
from pages.parts.runs.job_state import job_in_address, start_button
from pages.parts.runs.now import waiting
from pages.parts.runs.run_list import STATES
from pages.parts.text import number

ADAPTIVE = ("adam", "muon")
"""Optimizers that want smaller rates."""


def find_button(config: TrainingConfig | None) -> None:
    """A button that tests rates with `config`."""
    adaptive = config is not None and config.optimizer in ADAPTIVE
    start_button(
        "Find a learning rate",
        "find_rate",
        "rate_test",
        config or TrainingConfig(),
        RateTest(lowest=1e-5, highest=1.0) if adaptive else RateTest(),
        icon=":material/troubleshoot:",
        disabled=config is None,
        help="Trains a fresh network with these settings for 150 steps while the learning rate grows from tiny to huge, "
        "and shows where the loss falls and where it explodes. Takes a second or two.",
    )


def rate_finder() -> None:
    """What the test in the address has found, and a button that uses it; nothing where there is none."""
    if not (run := job_in_address("rate_test", RateTest)):
        return
    with st.container(border=True, key="rate_test"):
        st.markdown("**Learning-rate finder**")
        if run.state.is_final:
            _found(run)
        else:
            st.fragment(_wait, run_every=0.25, key="rate_wait")(run.id)
        st.button("Close", icon=":material/close:", type="tertiary", on_click=_close, args=(run,), key="close_rate")


def _wait(run_id: str) -> None:
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if run.state.is_final:
        st.rerun()
    if run.state is State.QUEUED:
        st.caption(f":material/hourglass_empty: {frame.plain(run.reason or waiting(run))}")
    elif run.state is State.RUNNING:
        st.progress(run.progress, f"Step {run.step} of {run.steps}")
        _draw(run)
    else:
        _, icon, words = STATES[run.state]
        st.caption(f"{icon} {frame.plain(run.reason or words)}")


def _draw(run: Run) -> Suggestion | None:
    """The losses so far, and what they say; nothing is drawn while there are too few."""
    test = run.job
    assert isinstance(test, RateTest)
    losses = curve.losses(client.folder(run.id)).tolist()
    if found := suggest(test, losses):
        figure = settings.rate_test(test, losses, found, is_over=run.state.is_final)
        st.plotly_chart(figure, config={"displayModeBar": False}, key=f"rates_{run.id}")
    return found


def _found(run: Run) -> None:
    if not (found := _draw(run)):
        st.warning(f"The test ended too early to tell. {frame.plain(run.reason)}", icon=":material/error:")
        return
    st.caption(_words(found))
    st.button(
        f"Use {number(found.learning_rate)}",
        icon=":material/check:",
        type="primary",
        on_click=_use,
        args=(found.learning_rate,),
        key="use_rate",
    )


def _words(found: Suggestion) -> str:
    ends = f" From {found.divergence:.2g} on it is worse than at the start." if found.divergence else ""
    return (
        f"Each dot is one step of one fresh network. Its smoothed loss falls fastest near {found.steepest:.2g} and is lowest "
        f"at {found.lowest:.2g}.{ends} Suggested is a tenth of the lowest, "
        f"{number(found.learning_rate)}: a rate to hold for a whole run needs a safety margin. A rule of thumb (Smith 2015), "
        "not an optimum."
    )


def _use(rate: float) -> None:
    address.put(learning_rate=rate)


def _close(run: Run) -> None:
    address.put(rate_test=None)
    if not run.state.is_final and may_change(run):
        with contextlib.suppress(client.RunNotFound, client.RunRefused):
            client.stop(run.id)

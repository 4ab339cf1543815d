"""Jobs on a page: started, found by their address, their state in words."""

from __future__ import annotations

from typing import Any

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Job
from pages.parts import address, frame, starting
from pages.parts.person import may_change, person
from pages.parts.runs.now import waiting
from pages.parts.runs.run_list import STATES, state_words


def job_in_address(name: str, kind: type[Job]) -> Run | None:
    """The job that `?name=` names; a sentence where there is none of this kind."""
    if not (job_id := address.text(name)):
        return None
    try:
        run = client.get(job_id)
        if isinstance(run.job, kind):
            return run
    except client.RunNotFound:
        pass
    address.put(**{name: None})
    st.warning("What the address names is not here: it may have been deleted.", icon=":material/search_off:")
    return None


def start_button(label: str, key: str, name: str, config: TrainingConfig, job: Job, **looks: Any) -> None:
    """A button that puts the job into the queue and its id into the address as `?name=`."""
    starting.button(
        label,
        key,
        lambda: client.start(config, owner=person(), job=job),
        lambda job_id: address.put(**{name: job_id}),
        **looks,
    )


def state_line(run: Run, words: str = "") -> None:
    """The state of a job, and the button that ends it."""
    _, icon, explanation = STATES[run.state]
    if run.state is State.QUEUED:
        words = run.reason or waiting(run)
    elif run.state in (State.FAILED, State.PAUSED):
        words = run.reason
    elif run.state is State.STARTING:
        words = explanation
    name = {State.FINISHED: "Finished", State.RUNNING: "Under way"}.get(run.state, state_words(run))
    text = f"{icon} **{name}.** {frame.plain(words)}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.state is State.RUNNING:
            st.progress(run.progress, text)
        else:
            st.markdown(text)
        if (run.is_active or run.state is State.PAUSED) and may_change(run):
            st.button(
                "Stop", icon=":material/stop:", on_click=_stop, args=(run.id,), disabled=run.stopping, key="stop_job"
            )


def _stop(run_id: str) -> None:
    try:
        client.stop(run_id)
    except (client.RunNotFound, client.RunRefused) as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")

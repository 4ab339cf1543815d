"""One run on the Train page: its state, its figures, its chart, and what a person can do with it now."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from fmnist_core.evaluation.evaluate import CHANCE
from fmnist_core.runs import client
from fmnist_core.runs.record import Run, State
from fmnist_core.settings.config import HIGHEST_LEARNING_RATE
from fmnist_core.views.charts import objective_words
from pages.parts import address, frame
from pages.parts.components.live_chart import live_chart
from pages.parts.runs.family import family, parent_of
from pages.parts.runs.run_list import STATES, duration, state_words
from pages.parts.train.batch_view import batch_view
from pages.parts.train.single_step_view import single_step_view
from pages.parts.train.steering import steering

ENGINES = {"torch": "PyTorch", "compiled": "compiled"}


def run_view(run: Run) -> None:
    """Everything about `run`; the figures and the chart follow it while it trains."""
    st.subheader(frame.plain(run.title), anchor=False)
    if run.note:
        st.caption(f":material/sticky_note_2: {frame.plain(run.note)}")
    runs = client.list_runs()
    family(run, runs)
    is_live = not run.state.is_final
    st.fragment(_tiles, run_every=1.0 if is_live else None, key="tiles")(run.id, run.state, len(run.changes))
    steering(run)
    parent = parent_of(run, runs)
    live_chart(run, [parent] if parent else [], on_step=lambda: _open_step(run.id))
    batch_view(run)
    single_step_view(run)
    trained = objective_words(run.config)
    st.caption(
        f"Thin line: the mean loss of each window of training batches{', with dropout on' if run.config.dropout else ''}"
        + (f"; it is what is trained on, {trained} (left axis)" if trained else "")
        + f". Points: {'the cross-entropy (right axis) of ' if trained else ''}the network in evaluation "
        "mode after each epoch, on the 10,000 test images (held-out ones while its sweep is open) and on the first "
        "10,000 training images. Epoch 0 is before training. "
        "A click on the curve opens that step: its batch of images, the worst first."
    )


def _open_step(run_id: str) -> None:
    """A click on the curve is in the address."""
    step = st.session_state[f"live_chart_{run_id}"].step
    if isinstance(step, int) and step > 0:
        address.put(batch_at=step)


def _tiles(run_id: str, shown: State, changes: int) -> None:
    """The figures that change every second; the page runs again when the run's state has changed."""
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if run.state is not shown or len(run.changes) != changes:
        st.rerun()
    _state_line(run)
    before, latest = run.before, run.latest
    images = (
        "held-out images: the test images wait for the choice in its sweep" if run.is_sealed else "10,000 test images"
    )
    first, last = (measured and measured.shown for measured in (before, latest if latest and latest.step else None))
    gain = 100 * (last.accuracy - first.accuracy) if first and last else None
    with st.grid(3, min_column_width=150):
        _tile(
            "Accuracy before",
            frame.percent(first.accuracy) if first else "…",
            f"With the initial weights, of the {images}. Chance is 10 %.",
            f"loss {first.loss:.3f}" if first else None,
        )
        _tile(
            "Accuracy now",
            frame.percent(last.accuracy) if last else "…",
            f"After the last full epoch, of the {images}.",
            None if gain is None else f"{gain:+.2f} points",
            coloured=True,
        )
        _tile(
            "Epoch",
            f"{run.step / run.config.steps_per_epoch:.1f} / {run.config.epochs}",
            "Passes over the training images. A step is one batch: one update of the weights.",
            f"step {run.step:,}",
        )
        _tile(
            "Images per second",
            f"{run.images_per_second:,.0f}" if run.images_per_second else "…",
            "Training images, of late. Threads of the processor that compute, and the engine: PyTorch, or the same steps "
            "compiled for this processor. Where it is busy with other programs, PyTorch goes on with one thread, because "
            "several would wait for each other.",
            f"{run.threads} thread{'s' if run.threads > 1 else ''}, {ENGINES[run.engine]}"
            if run.device == "cpu"
            else None,
        )
        _tile("Training time", duration(run.seconds), "Without pauses and measurements.")
        left = run.seconds_left
        words = "…" if run.is_active or run.state is State.PAUSED else "none"
        _tile("Time left", words if left is None else duration(left), "At the present speed, without measurements.")


def _tile(label: str, value: str, help_text: str, delta: str | None = None, *, coloured: bool = False) -> None:
    colour, arrow = ("normal", "auto") if coloured else ("off", "off")
    st.metric(label, value, delta, delta_color=colour, delta_arrow=arrow, help=help_text, border=True, height="stretch")


def _state_line(run: Run) -> None:
    """The state in words, and what can be done now."""
    _, icon, words = STATES[run.state]
    if run.stalled:
        icon, words = (
            ":material/warning:",
            "Its worker is alive but has said nothing for 30 seconds: it may be suspended.",
        )
    reason = frame.plain(run.reason)
    too_large = run.state is State.DIVERGED or (_guesses(run) and _jumped(run))
    if _guesses(run):
        words = (
            "But it learned nothing: the learning rate was probably so large that its units died (ReLU gives 0 for ever)."
            if too_large
            else "But it learned next to nothing, and its loss never jumped: the learning rate was probably too small for so "
            "few steps."
        )
    text = f"{icon} **{state_words(run)}.** {reason or words}"
    if run.state is State.RUNNING:
        st.progress(run.progress, text)
    else:
        st.markdown(text)
    with st.container(horizontal=True, vertical_alignment="center"):
        match run.state:
            case State.RUNNING | State.STARTING | State.QUEUED:
                st.button(
                    "Stop",
                    icon=":material/stop:",
                    on_click=_ask,
                    args=(client.stop, run.id),
                    disabled=run.stopping,
                    key="stop",
                )
                st.button(
                    "Pause",
                    icon=":material/pause:",
                    on_click=_ask,
                    args=(client.pause, run.id),
                    disabled=run.stopping or run.pausing,
                    key="pause",
                )
            case State.PAUSED:
                st.button(
                    "Resume",
                    icon=":material/play_arrow:",
                    type="primary",
                    on_click=_ask,
                    args=(client.resume, run.id),
                    key="resume",
                )
                st.button("Stop", icon=":material/stop:", on_click=_ask, args=(client.stop, run.id), key="stop")
            case _ if run.state is State.DIVERGED or _guesses(run):
                rate = run.config.learning_rate * (0.1 if too_large else 10)
                better = replace(run.config, learning_rate=min(float(f"{rate:.1g}"), HIGHEST_LEARNING_RATE))
                st.button(
                    f"Fill in learning rate {better.learning_rate:g}",
                    icon=":material/edit:",
                    type="primary",
                    on_click=address.put_settings,
                    args=(better,),
                    key="better_rate",
                )
        if run.latest and run.latest.step:
            frame.page_link("test", "Test this network", icon=":material/fact_check:", run=run.id)
        if not run.is_active:
            st.button(
                "Use these settings",
                icon=":material/content_copy:",
                on_click=address.put_settings,
                args=(run.config,),
                key="again",
            )


def _guesses(run: Run) -> bool:
    """Whether it ended no better than chance."""
    score = run.latest and run.latest.shown
    return run.state is State.FINISHED and score is not None and score.accuracy < 1.1 * CHANCE


def _jumped(run: Run) -> bool:
    """Whether its loss was ever a tenth above the first one: what too large steps do and too small ones do not."""
    losses = client.folder(run.id).losses()
    losses = losses[np.isfinite(losses)]  # a branch knows none from before it began
    return bool(len(losses) and losses.max() > 1.1 * losses[0])


def _ask(request: object, run_id: str) -> None:
    try:
        request(run_id)  # type: ignore[operator]
    except (client.RunNotFound, client.RunRefused) as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")

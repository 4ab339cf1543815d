"""One run on the Train page: its state, its figures, its chart, and what a person can do with it now."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.verdict import Next, Outcome, verdict_of
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.views import sketch
from fmnist_core.views.charts import objective_words
from pages.parts import address, frame, starting
from pages.parts.components.live_chart import live_chart
from pages.parts.person import may_change, person, whose
from pages.parts.runs.drawing import drawing
from pages.parts.runs.family import family
from pages.parts.train import recipe_choice
from pages.parts.train.all_runs import laid_over
from pages.parts.train.batch_view import batch_view
from pages.parts.train.setting_groups import in_words
from pages.parts.train.single_step_view import single_step_view
from pages.parts.train.steering import steering
from pages.parts.train.without_dropout import uses_dropout, without_dropout

ICONS = {
    Outcome.LEARNED: ":green[:material/check_circle:]",
    Outcome.STILL_LEARNING: ":blue[:material/trending_down:]",
    Outcome.OVERFITTING: ":orange[:material/call_split:]",
    Outcome.FELL_BACK: ":red[:material/error:]",
    Outcome.LEARNED_NOTHING: ":red[:material/error:]",
    Outcome.DIVERGED: ":red[:material/error:]",
    Outcome.TOO_EARLY: ":gray[:material/hourglass_empty:]",
    Outcome.FAILED: ":red[:material/cancel:]",
}


def run_view(run: Run, runs: Sequence[Run], *, is_example: bool = False) -> None:
    """Everything about `run`: what it is, what came of it, its chart, its tools. `is_example`: only looked at."""
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="example_head" if is_example else "own_head"
    ):
        st.subheader(frame.plain(run.title), anchor=False, width="stretch")
        _buttons(run)
    if owner := whose(run):
        only = (
            ""
            if may_change(run)
            else " Only they and your teacher may change it; you may branch from it and take it away."
        )
        st.caption(f":material/person: Started by {frame.plain(owner)}.{only}")
    if run.note:
        st.caption(f":material/sticky_note_2: {frame.plain(run.note)}")
    family(run, runs)
    _verdict(run)
    live_chart(
        run,
        laid_over(list(runs), run),
        on_step=lambda: _open_step(run.id),
        is_new=st.session_state.pop("just_started", "") == run.id,
    )
    with st.container(horizontal=True, gap="small"):
        if not is_example:
            steering(run)
        if not run.is_active:
            st.button(
                "Use these settings",
                icon=":material/content_copy:",
                on_click=address.put_settings,
                args=(run.config,),
                key="again",
            )
        if not is_example:
            recipe_choice.beside_the_tutorial(run, runs)
    if not is_example:
        batch_view(run)
        single_step_view(run)
    dropout = ", and what dropout does" if uses_dropout(run.config) else ""
    with st.expander(f"How to read the curves{dropout}", icon=":material/help:", key="curves"):
        _how_to_read(run)
        if not is_example:
            without_dropout(run, runs)


def _how_to_read(run: Run) -> None:
    trained = objective_words(run.config)
    st.markdown(
        f"Thin line: the mean loss of each window of training batches{', with dropout on' if run.config.dropout else ''}"
        + (f"; it is what is trained on, {trained} (left axis)" if trained else "")
        + f". Points: {'the cross-entropy (right axis) of ' if trained else ''}the network in evaluation "
        "mode after each epoch, on the 10,000 test images (held-out ones while its sweep is open) and on the first "
        "10,000 training images. Epoch 0 is before training. "
        "A click on the curve opens that step: its batch of images, the worst first.\n\n"
        f"**Why the line can lie above the points.** {'; '.join(why_above(run.config))}.\n\n"
        "**Why about 10 % at the start.** With random weights the network calls nearly every picture by the same name, and one "
        "picture in ten bears it."
    )


def why_above(config: TrainingConfig) -> list[str]:
    """What makes the loss while training larger than that of the same network at rest."""
    reasons = []
    if uses_dropout(config):
        reasons.append(
            f"dropout leaves out {100 * config.dropout:.0f}\u00a0% of the hidden units while it trains, and none when it is measured"
        )
    if config.shift or config.flip or config.erase:
        reasons.append(
            "it trains on pictures that are moved, mirrored or partly erased, and is measured on them as they are"
        )
    if trained := objective_words(config):
        reasons.append(f"the line is another measure, {trained}")
    reasons.append("the line is a mean over steps during which the network was still getting better")
    return [reasons[0][0].upper() + reasons[0][1:], *reasons[1:]]


def run_to_come(config: TrainingConfig) -> None:
    """A drawing of what will stand here, while there is no run."""
    st.subheader("What you will see", anchor=False)
    loss, accuracy = sketch.run_to_come(config.steps_per_epoch)
    st.caption("A drawing: your own run takes its place as soon as you press Start training.")
    for column, image, name in zip(st.columns(2), (loss, accuracy), ("loss", "accuracy"), strict=True):
        with column:
            drawing(wide=image, narrow=image, key=f"sketch_{name}")


def _open_step(run_id: str) -> None:
    """A click on the curve is in the address."""
    step = st.session_state[f"live_chart_{run_id}"].step
    if isinstance(step, int) and step > 0:
        address.put(batch_at=step)


def _buttons(run: Run) -> None:
    """What can be done with it now."""
    match run.state if may_change(run) else None:
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
    if run.latest and run.latest.step:
        frame.page_link("test", "Test this network", icon=":material/fact_check:", run=run.id)


def _verdict(run: Run) -> None:
    """What came of it, and the next thing to try; nothing as long as it trains."""
    if not (found := verdict_of(run)):
        return
    with st.container(border=True, key="verdict", horizontal=True, vertical_alignment="center"):
        words = frame.plain(found.words)
        st.markdown(f"{ICONS[found.outcome]} {words}", width="stretch")
        has_learned = found.outcome is Outcome.LEARNED and not run.is_sealed
        if has_learned:
            frame.page_link("test", "Look at its mistakes", icon=":material/fact_check:", run=run.id, view="mistakes")
        if found.next:
            wanted = found.next
            starting.button(
                wanted.label,
                "next",
                lambda: _begin(run.id, wanted),
                lambda started: _show(started, wanted.config),
                icon=":material/arrow_forward:",
                type="secondary" if has_learned else "primary",
                help=f"Starts a run: {in_words(_differences(run.config, wanted.config)) or 'the same settings'}.",
            )


def _differences(then: TrainingConfig, now: TrainingConfig) -> dict[str, object]:
    before, after = then.to_dict(), now.to_dict()
    return {name: value for name, value in after.items() if value != before[name]}


def _begin(run_id: str, wanted: Next) -> str:
    if wanted.from_step is None:
        return client.start(wanted.config, owner=person())
    return client.branch(run_id, wanted.from_step, wanted.config, owner=person())


def _show(started: str, config: TrainingConfig) -> None:
    """Its settings are filled in, too."""
    st.session_state["just_started"] = started
    address.put_settings(config)
    address.put(run=started, batch_at=None)


def _ask(request: object, run_id: str) -> None:
    try:
        request(run_id)  # type: ignore[operator]
    except (client.RunNotFound, client.RunRefused) as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")

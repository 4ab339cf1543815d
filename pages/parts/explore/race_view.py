"""The race on the Explore page: its settings, its chart, and what it teaches."""

from __future__ import annotations

from typing import get_args

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import RATES, TrainingConfig
from fmnist_core.settings.jobs import Race, Vary
from pages.parts import address, controls, frame
from pages.parts.components.race_chart import race_chart
from pages.parts.runs.job_state import job_in_address, start_button, state_line
from pages.parts.runs.run_list import duration

HELD_OUT = 10_000
VARY: dict[Vary, str] = {"seed": "Seeds", "learning_rate": "Learning rates"}
SHOWN = 8


def show() -> None:
    """The view."""
    run = job_in_address("race", Race)
    if run:
        address.assume(_settings(run))
    with st.container(key="run_first" if run else "form_first"):  # on a narrow screen
        settings, result = st.columns([1, 2], gap="large")
    with settings, st.container(border=True):
        _form()
    with result:
        if run:
            with st.container(key="run_head"):
                _race(run)
        with st.expander("What does a race show?", icon=":material/school:", expanded=run is None):
            _explain()
    _earlier(run)


def _form() -> None:
    vary = controls.one_of(
        "What differs between the copies",
        "vary",
        get_args(Vary),
        words=VARY,
        help="Seeds: everything is the same but the first weights, the order of the pictures and the dropout. Learning "
        "rates: the same seed, another rate for each copy.",
    )
    copies = controls.slider("Copies", "replicas", help="Networks that are trained at once.")
    rate, low, high = (address.real(name) for name in ("rate", "low", "high"))
    if vary == "seed":
        rate = controls.on_scale(
            "Learning rate", "rate", RATES[3:], help="Of every copy. At batch size 20, 0.02 learns quickly."
        )
    else:
        low, high = controls.between_on_scale(
            "Learning rates from … to",
            ("low", "high"),
            RATES[3:],
            help="The copies' rates lie between these two, each larger than the one before by the same factor.",
        )
    epochs = controls.slider("Epochs", "epochs", help="Passes over the 50,000 training pictures.")
    with st.expander("More settings", icon=":material/tune:"):
        batch = controls.whole_number(
            "Batch size", "batch_size", low=5, high=512, help="Pictures in each copy's step. 5 to 512."
        )
        dropout = controls.setting(
            "dropout", help="Chance that a hidden unit is left out in a training step. Each copy has its own."
        )
        seed = controls.whole_number("First seed", "seed", help="Of the first copy; the others count on.")
    if low >= high:
        st.error("The largest learning rate must be above the smallest.")
        return
    config = TrainingConfig(
        learning_rate=rate, epochs=epochs, batch_size=batch, dropout=dropout, seed=seed, validation=HELD_OUT
    )
    job = Race(copies=copies, vary=vary, lowest=low, highest=high)
    st.caption(
        f"{copies} networks, {config.total_steps:,} steps each. 10,000 training pictures are held out to measure them; the "
        "test pictures are not touched."
    )
    start_button("Start the race", "start_race", "race", config, job, type="primary", icon=":material/sports_score:")


def _race(run: Run) -> None:
    job = run.job
    assert isinstance(job, Race)
    what = "seeds" if job.vary == "seed" else "learning rates"
    st.subheader(f"Race {run.sequence}: {job.copies} {what}", anchor=False)
    st.fragment(_state, run_every=None if run.state.is_final else 1.0, key="race_state")(run.id, run.state)
    race_chart(run, job)
    if job.vary == "seed":
        st.caption(
            "Loss: each copy's mean over some batches; half of the copies lie in the dark band. Accuracy: each copy's "
            "share of the 10,000 held-out pictures that are right. The spread is what chance alone does: a smaller "
            "difference between two single runs says nothing about their settings. Below: each copy against "
            "the median of all (dashed)."
        )
    else:
        st.caption(
            "Loss: each copy's mean over some batches, from the smallest rate (blue) to the largest (orange). Accuracy: on the "
            "10,000 held-out pictures against the rate. One seed each: two neighbours may change places by chance. "
            "Below: each copy against the median of all (dashed)."
        )


def _state(run_id: str, shown: State) -> None:
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if run.state is not shown:
        st.rerun()
    words = ""
    if run.images_per_second and run.seconds:
        assert isinstance(run.job, Race)
        words = (
            f"{run.images_per_second:,.0f} pictures per second over all copies. {duration(run.seconds)} of training: "
            f"{duration(run.seconds / run.job.copies)} a copy."
        )
    state_line(run, words)


def _earlier(shown: Run | None) -> None:
    races = [run for run in client.list_jobs(Race) if shown is None or run.id != shown.id][:SHOWN]
    if not races:
        return
    st.subheader("Earlier races", anchor=False)
    for run in races:
        assert isinstance(run.job, Race)
        what = (
            f"{run.job.copies} {VARY[run.job.vary].lower()}, {run.config.epochs} epoch{'s' * (run.config.epochs > 1)}"
        )
        frame.page_link(
            "explore",
            f"Race {run.sequence}: {what}, batch size {run.config.batch_size} ({run.state})",
            icon=":material/sports_score:",
            race=run.id,
            **_settings(run),
        )


def _settings(run: Run) -> dict[str, str]:
    """What the controls must say for this race, as parameters of the address."""
    job, config = run.job, run.config
    assert isinstance(job, Race)
    rates: dict[str, object] = (
        {"rate": config.learning_rate} if job.vary == "seed" else {"low": job.lowest, "high": job.highest}
    )
    same = {name: getattr(config, name) for name in ("epochs", "batch_size", "dropout", "seed")}
    return address.fitting({"vary": job.vary, "replicas": job.copies, **rates, **same})


def _explain() -> None:
    st.markdown(
        "**Seeds.** Two runs with the same settings end with different accuracies, because chance chose the first weights, "
        "the order of the pictures and the dropout. Sixteen copies show how far they spread. Whoever reports one "
        "run reports one dot of this cloud."
    )
    st.markdown(
        "**Learning rates.** From too small (hardly anything learned) over good to too large (the loss jumps, units die, "
        "or it becomes infinite): the whole story in one picture. A copy whose loss is no longer a number drops out."
    )
    st.markdown(
        "**Why it is quick.** A network this small leaves the processor waiting between operations. All copies together "
        "are one larger network of parallel parts that share nothing: one operation works for all of them. "
        "Each copy's losses are those of a single run with its seed, to float rounding."
    )

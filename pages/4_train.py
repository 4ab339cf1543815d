"""Train the network in the background and watch it learn."""

from __future__ import annotations

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from pages.parts import address, frame, starting
from pages.parts.person import person
from pages.parts.runs.run_picker import newest, run_in_address
from pages.parts.runs.take_away import bring
from pages.parts.train import recipe_choice, train_form, trouble
from pages.parts.train.all_runs import all_runs
from pages.parts.train.plan import plan
from pages.parts.train.rate_finder import rate_finder
from pages.parts.train.run_view import run_to_come, run_view


def main() -> None:
    """The page."""
    frame.page(
        "Train",
        "Choose, start, and watch the loss fall. Training runs in the background: leave this page and come back at any time.",
        code=(
            "fmnist_core.training.loop.train",
            "fmnist_core.training.loop.batches",
            "fmnist_core.training.state.TrainingState",
            "fmnist_core.networks.net.QuickNet",
            "fmnist_core.settings.config.TrainingConfig",
            "fmnist_core.settings.schedules.factor_at",
            "fmnist_core.data.augmentation.changes",
            "fmnist_core.training.rate_finder.rate_test",
        ),
    )
    trouble.trouble()
    recipe_choice.recipe_in_address()
    frame.come_back_to("Train", address.kept("recipe", *SETTINGS))
    runs = client.list_runs()
    run = run_in_address(runs)
    if run:
        trouble.of_run(run)
    settings, result = st.columns([5, 11], gap="medium")
    with settings, st.container(border=True, gap="small", key="settings"):
        config = train_form.train_form(lambda chosen: _start_row(chosen, runs))
    with result:
        rate_finder()
        _what_is_seen(run, runs, config or TrainingConfig())
    all_runs(run.id if run else "")
    trouble.unreadable()
    bring()


def _what_is_seen(run: Run | None, runs: list[Run], config: TrainingConfig) -> None:
    """The run in the address; else the newest that has finished; else what a run will look like."""
    finished = [other for other in runs if other.state is State.FINISHED]
    if run:
        run_view(run, runs)
    elif finished:
        st.caption("A finished run, as an example. Yours will stand here as soon as you start it.")
        run_view(newest(finished), runs, is_example=True)
    else:
        run_to_come(config)
    with st.expander("What are loss and optimizer?", icon=":material/school:", expanded=not (run or finished)):
        train_form.explain(config)


# --- Start ---------------------------------------------------------------------------------------------------------


def _start_row(config: TrainingConfig, runs: list[Run]) -> None:
    title = str(st.session_state.get("name", "")).strip() or recipe_choice.name_of(config)  # of the field below
    with st.container(horizontal=True, vertical_alignment="center"):
        starting.button(
            "Start training",
            "start",
            lambda: client.start(config, title, owner=person()),
            _show,
            type="primary",
            icon=":material/play_arrow:",
        )
        if config != TrainingConfig():
            st.button(
                "Reset",
                icon=":material/restart_alt:",
                type="tertiary",
                on_click=address.put_settings,
                args=(TrainingConfig(),),
                key="reset",
                help="Back to the tutorial's settings.",
            )
    st.caption(f"{plan(config, runs)}.")
    st.text_input(
        "Name",
        placeholder="Name (optional)",
        max_chars=client.NAME_LENGTH,
        key="name",
        label_visibility="collapsed",
    )


def _show(run_id: str) -> None:
    st.session_state["just_started"] = run_id
    address.put(run=run_id)


main()

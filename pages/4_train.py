"""Train the network in the background and watch it learn."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.record import Run
from fmnist_core.settings.config import TrainingConfig
from pages.parts import address, frame
from pages.parts.person import person
from pages.parts.runs.run_list import duration, run_list
from pages.parts.runs.run_picker import run_in_address
from pages.parts.runs.take_away import bring
from pages.parts.starting import start_once
from pages.parts.train import recipe_choice, train_form
from pages.parts.train.queue_view import queue_view
from pages.parts.train.run_view import run_view


def main() -> None:
    """The page."""
    frame.page(
        "Train",
        "Choose how fast and how long to learn, start, and watch the loss fall: training runs in the background, "
        "so you can leave this page and come back.",
        code=(
            "fmnist_core.training.loop.train",
            "fmnist_core.training.loop.batches",
            "fmnist_core.training.loop.TrainingState",
            "fmnist_core.networks.net.QuickNet",
            "fmnist_core.settings.config.TrainingConfig",
            "fmnist_core.settings.schedules.factor_at",
            "fmnist_core.data.augmentation.changes",
            "fmnist_core.training.rate_finder.rate_test",
        ),
    )
    runs = client.list_runs()
    run = run_in_address()
    settings, result = st.columns([1, 2], gap="large")
    with settings, st.container(border=True):
        config = train_form.train_form()
        if config:
            _start_row(config, runs)
    with result:
        if run:
            run_view(run)
            recipe_choice.beside_the_tutorial(run, runs, recipe_choice.start_beside)
        with st.expander("What are loss and optimizer?", icon=":material/school:", expanded=run is None):
            train_form.explain()
    queue_view()
    st.subheader("All runs", anchor=False)
    if not runs:
        st.info("No run yet. The tutorial's settings are filled in: press **Start training**.", icon=":material/info:")
    elif (clicked := run_list(runs, run.id if run else "")) and (run is None or clicked != run.id):
        address.put(run=clicked)
        st.rerun()
    bring()


# --- Start ---------------------------------------------------------------------------------------------------------


def _start_row(config: TrainingConfig, runs: list[Run]) -> None:
    name = st.text_input(
        "Name", placeholder="optional: how you want to find it again", max_chars=client.NAME_LENGTH, key="name"
    )
    words = f"{config.epochs} epoch{'s' * (config.epochs > 1)} of {config.steps_per_epoch:,} steps: {config.total_steps:,} weight updates"
    if speed := _speed(config, runs):
        words += f", about {duration(config.total_steps * config.batch_size / speed)} at the speed of your last run"
    st.caption(f"{words}.")
    with st.container(horizontal=True, vertical_alignment="center"):
        clicked = st.button("Start training", type="primary", icon=":material/play_arrow:", key="start")
        if config != TrainingConfig():
            st.button(
                "Back to the tutorial's settings",
                icon=":material/restart_alt:",
                on_click=address.put_settings,
                args=(TrainingConfig(),),
                key="reset",
            )
    if clicked:
        _start(config, name)


def _speed(config: TrainingConfig, runs: list[Run]) -> float:
    """Images per second of the newest run like this one; 0 when there is none."""
    for run in runs:
        like = replace(run.config, learning_rate=config.learning_rate, epochs=config.epochs, seed=config.seed)
        if run.images_per_second and replace(like, momentum=config.momentum, dropout=config.dropout) == config:
            return run.step * config.batch_size / run.seconds
    return 0.0


def _start(config: TrainingConfig, name: str) -> None:
    title = name.strip() or recipe_choice.name_of(config)
    if run_id := start_once((config, name), lambda: client.start(config, title, owner=person())):
        address.put(run=run_id)
        st.rerun()


main()

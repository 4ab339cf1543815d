"""What a trained network gets right and wrong: class by class, pair by pair, picture by picture, and how sure it is."""

from __future__ import annotations

import math
from typing import Literal, get_args

import streamlit as st

from fmnist_core.evaluation import calibration, explanations, metrics, neighbours
from fmnist_core.evaluation import evaluate as evaluation
from fmnist_core.evaluation.evaluate import Evaluation, wilson
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.studies.subject import subject
from pages.parts import address, controls, frame
from pages.parts.runs.cleaned import cleaned_switch
from pages.parts.runs.moment import moment
from pages.parts.runs.run_picker import run_picker
from pages.parts.runs.take_away import take_away
from pages.parts.test import abstaining, classes, confusion, mistakes, reliability, robustness
from pages.parts.text import change, decimal, epochs

View = Literal["classes", "matrix", "mistakes", "calibration", "threshold", "robustness"]


def main() -> None:
    """The page: which logits and which images are decided here; each view gets them and draws."""
    frame.page(
        "Test",
        "The 10,000 test images were never used in training: here is what the network makes of them, before training and "
        "after. Every number leads to its pictures.",
        code=(
            "fmnist_core.evaluation.evaluate.evaluate",
            Evaluation,
            evaluation.tutorial_report,
            wilson,
            metrics.per_class,
            metrics.bootstrap,
            calibration.reliability,
            calibration.fit_temperature,
            neighbours.nearest,
        ),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        run = run_picker()
        if run is None or run.before is None or run.latest is None:
            return
        kept = cleaned_switch()
    step = moment(run, kept=kept)
    hardest = st.container(horizontal=True, vertical_alignment="center")
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        view = controls.one_of(
            "View",
            "view",
            get_args(View),
            words={view: view.capitalize() for view in get_args(View)},
            then=lambda: address.put(page=None, order=None),
            label_visibility="collapsed",
        )
        frame.page_link("train", "Its loss curve", icon=":material/trending_down:", run=run.id)
        take_away(run)
    test = frame.data_or_stop("test")
    tested = subject(run, step, test, kept)
    _say_what_is_tested(run, step)
    if tested is None:
        _tiles(run.before.test, run.latest.test)
        st.warning(
            "The predictions for each picture are missing from the run's folder, so there is no matrix and no gallery. "
            "These figures come from the run's record.",
            icon=":material/folder_off:",
        )
        classes.bars(run.before.test, run.latest.test)
        return
    if not math.isfinite(tested.after.loss):
        st.warning(
            f"After step {step:,} the weights or scores are no longer finite numbers: the run had diverged. Choose an earlier moment.",
            icon=":material/error:",
        )
        return
    _tiles(tested.before.score, tested.after.score)
    if said := explanations.favourite(tested.after.matrix):
        st.info(said, icon=":material/lightbulb:")
    elif said := explanations.hardest_class(tested.after.matrix):
        with hardest:
            st.markdown(said)
            frame.page_link(
                "test",
                "See its mistakes",
                icon=":material/image_search:",
                **address.kept("run", "step", "cleaned"),
                view="mistakes",
                true=explanations.hardest(tested.after.matrix) or 0,
            )
    match view:
        case "classes":
            classes.draw(tested)
        case "matrix":
            confusion.draw(tested)
        case "mistakes":
            mistakes.draw(tested)
        case "calibration":
            reliability.draw(tested)
        case "threshold":
            abstaining.draw(tested)
        case "robustness":
            robustness.draw(tested)


def _say_what_is_tested(run: Run, step: int) -> None:
    if step == 0:
        st.info(
            "This is the network before its first step: its weights are random, so it is right about as often as chance.",
            icon=":material/info:",
        )
    elif run.is_active:
        st.info(
            f"Still training. “After” shows it after {epochs(step / run.config.steps_per_epoch)}.",
            icon=":material/trending_down:",
        )
    if run.is_active and run.latest:
        st.fragment(_wait_for_news, run_every=2.0, key="news")(run.id, run.latest.step)


def _wait_for_news(run_id: str, shown: int) -> None:
    """A run in training is measured after each epoch: then the page is drawn again."""
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if not run.is_active or (run.latest and run.latest.step != shown):
        st.rerun()


def _tiles(before: Score, after: Score) -> None:
    right, total = sum(after.correct), sum(after.total)
    low, high = wilson(right, total)
    with st.container(border=True), st.grid(4, min_column_width=130):
        st.metric(
            "Accuracy",
            frame.percent(after.accuracy),
            **change(100 * (after.accuracy - before.accuracy), 2, " points"),
            help=f"Share of the {total:,} test images whose highest score is that of the true class. Below: the change from "
            "before.",
        )
        st.metric(
            "95 % interval",
            f"{100 * low:.1f} to {frame.percent(high, 1)}",
            help=f"{total:,} images are a sample. If the network were tested on very many more such images, its accuracy "
            "would most likely lie in here (Wilson's interval). It says nothing about training again with another seed.",
        )
        st.metric(
            "Test loss",
            decimal(after.loss, 4),
            **change(after.loss - before.loss, 4, less_is_better=True),
            help="Mean cross-entropy in nats per image: −ln of the probability given to the true class. A blind guess "
            "scores ln 10 = 2.303. Below: the change from before.",
        )
        st.metric(
            "Accuracy before",
            frame.percent(before.accuracy),
            f"loss {decimal(before.loss, 4)}",
            delta_color="off",
            delta_arrow="off",
            help="With the initial weights. Chance is 10 %: ten classes of one size.",
        )


main()

"""What a trained network gets right and wrong: overall, per class, before and after, picture by picture."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from fmnist_core import evaluation
from fmnist_core.dataset import CLASSES, Split
from fmnist_core.evaluation import Evaluation, wilson
from fmnist_core.events import Score
from fmnist_core.runs import client
from fmnist_core.runs.record import Run
from fmnist_core.views import charts
from fmnist_core.views.colours import AFTER, BEFORE
from pages.parts import address, frame
from pages.parts.gallery import gallery
from pages.parts.matrix import Cell, matrix
from pages.parts.moment import moment
from pages.parts.run_picker import run_picker

MOMENTS = ("After", "Before")


def main() -> None:
    """The page."""
    frame.page(
        "Test",
        "The 10,000 test images were never used in training: here is what the network makes of them, before training and "
        "after. Every number leads to its pictures.",
        code=(
            "fmnist_core.evaluation.evaluate",
            Evaluation,
            evaluation.tutorial_report,
            evaluation.wilson,
            charts.class_bars,
        ),
    )
    run = run_picker()
    if run is None or run.before is None or run.latest is None:
        return
    test = frame.data_or_stop("test")
    step = moment(run)
    after = _score(run, step, test)
    _say_what_is_tested(run, step)
    _tiles(run.before.test, after)
    st.subheader("Accuracy of each class", anchor=False)
    _per_class(run.before.test, after)
    _matrix_and_pictures(run.id, (step, run.before.step), test)


def _score(run: Run, step: int, test: Split) -> Score:
    """What the network got right after `step`: as the run recorded it, else counted from the logits that were kept."""
    if (measured := next((known for known in run.measured if known.step == step), None)) is not None:
        return measured.test
    return Evaluation.from_logits(client.folder(run.id).logits(step), test.labels).score


def _say_what_is_tested(run: Run, step: int) -> None:
    epoch = step / run.config.steps_per_epoch
    epochs = "epoch" if epoch == 1 else "epochs"
    if step == 0:
        st.info("This is the moment before training: after is the same as before.", icon=":material/info:")
    elif run.is_active:
        st.info(f"Training goes on. After means: after {epoch:.3g} {epochs}.", icon=":material/trending_down:")
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(
                f"After means: after {epoch:.3g} {epochs}, which is {step:,} weight updates.",
                width="content",
            )
            st.page_link("pages/5_train.py", label="Its loss curve", query_params={"run": run.id})
    if run.is_active:
        st.fragment(_wait_for_news, run_every=2.0, key="news")(run.id, run.latest.step if run.latest else 0)


def _wait_for_news(run_id: str, shown: int) -> None:
    """A run in training is measured after each epoch: then the page is drawn again."""
    try:
        run = client.get(run_id)
    except client.RunNotFound:
        st.rerun()
    if not run.is_active or (run.latest and run.latest.step != shown):
        st.rerun()


# --- Numbers -------------------------------------------------------------------------------------------------------


def _tiles(before: Score, after: Score) -> None:
    low, high = wilson(sum(after.correct), sum(after.total))
    with st.grid(4, min_column_width=200):
        st.metric(
            "Accuracy",
            frame.percent(after.accuracy),
            f"{100 * (after.accuracy - before.accuracy):+.2f} points",
            help="Share of the 10,000 test images whose highest score is that of the true class. Below: the change from before.",
            border=True,
        )
        st.metric(
            "95 % interval",
            f"{100 * low:.1f} to {frame.percent(high, 1)}",
            help="10,000 images are a sample. If the network were tested on very many more such images, its accuracy "
            "would most likely lie in here (Wilson's interval). It says nothing about training again with another seed.",
            border=True,
            height="stretch",
        )
        st.metric(
            "Test loss",
            f"{after.loss:.4f}",
            f"{after.loss - before.loss:+.4f}",
            delta_color="inverse",
            help="Mean cross-entropy in nats per image: −ln of the probability given to the true class. A blind guess "
            "scores ln 10 = 2.303. Below: the change from before.",
            border=True,
        )
        st.metric(
            "Accuracy before",
            frame.percent(before.accuracy),
            f"loss {before.loss:.4f}",
            delta_color="off",
            delta_arrow="off",
            help="With the initial weights. Chance is 10 %: ten classes of 1,000 images each.",
            border=True,
        )


def _per_class(before: Score, after: Score) -> None:
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.plotly_chart(
            charts.class_bars({"before": (before, BEFORE), "after": (after, AFTER)}, frame.ink()),
            config={"displayModeBar": False},
            key="bars",
        )
        st.caption(
            "Thin lines: 95 % Wilson intervals. People were right on 83.5 % of 1,000 of these images, as the data set's authors "
            "report."
        )
    with right:
        printed = st.segmented_control(
            "Show as", ("Table", "As the tutorial prints it"), default="Table", required=True, key="table_as"
        )
        if printed == "Table":
            _class_table(before, after)
        else:
            shown = st.tabs(["After", "Before"])
            for place, score in zip(shown, (after, before), strict=True):
                place.code(evaluation.tutorial_report(score), language=None)


def _class_table(before: Score, after: Score) -> None:
    ends = [wilson(c, t) for c, t in zip(after.correct, after.total, strict=True)]
    shares = [[100 * c / t for c, t in zip(score.correct, score.total, strict=True)] for score in (before, after)]
    table = pd.DataFrame(
        {
            "Class": CLASSES,
            "Before": shares[0],
            "After": shares[1],
            "Change": [new - old for old, new in zip(*shares, strict=True)],
            "95 % interval": [f"{100 * low:.1f} to {100 * high:.1f}" for low, high in ends],
            "Right": [f"{c:,} / {t:,}" for c, t in zip(after.correct, after.total, strict=True)],
        }
    )
    percent = st.column_config.NumberColumn(format="%.1f %%")
    event = st.dataframe(
        table,
        hide_index=True,
        height=38 + 35 * len(CLASSES),
        on_select="rerun",
        selection_mode="single-row",
        key="classes",
        column_config={
            "Class": st.column_config.TextColumn(pinned=True),
            "Before": percent,
            "After": percent,
            "Change": st.column_config.NumberColumn(format="%+.1f", help="Percentage points"),
            "95 % interval": st.column_config.TextColumn(help="Of the accuracy after training, in %"),
            "Right": st.column_config.TextColumn(help="After training: right / all images of the class"),
        },
    )
    st.caption("Choose a row: its pictures appear beside the matrix below.")
    rows = event.selection.rows
    row = rows[0] if rows else None
    if row != st.session_state.get("class_row"):  # a click, and not the row of the click before
        st.session_state["class_row"] = row
        if row is not None:
            _go_to((row, None))


# --- Pictures ------------------------------------------------------------------------------------------------------


def _matrix_and_pictures(run_id: str, steps: tuple[int, int], test: Split) -> None:
    """`steps`: of the measurements after and before training."""
    selected = _cell_in_address()
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.subheader("Confusion matrix", anchor=False)
        with st.container(horizontal=True, vertical_alignment="center"):
            moment = address.one_of("Moment", "moment", MOMENTS, label_visibility="collapsed")
            coloured = address.switch(
                "Colour the right ones too",
                "diagonal",
                True,
                help="The right ones stand on the diagonal. Without their colour the mistakes have the whole scale.",
            )
        try:
            logits = client.folder(run_id).logits(steps[MOMENTS.index(moment)])
            result = Evaluation.from_logits(logits, test.labels)
        except (OSError, ValueError):
            st.warning(
                "The predictions for each picture are missing from the run's folder, so there is no matrix and no "
                "gallery. The figures above come from the run's record.",
                icon=":material/folder_off:",
            )
            return
        chosen = matrix(result.matrix, selected=selected, errors_only=not coloured, key="matrix")
        st.caption(
            "A row for each true class, a column for each predicted class: how many pictures. Choose a cell, a row or a "
            "column to see its pictures."
        )
    if chosen is not None and chosen != selected:
        _go_to(chosen)
    with right:
        gallery(result, test.images, selected)


def _cell_in_address() -> Cell:
    """The classes in the address: (true, predicted), None where all are meant."""
    last = len(CLASSES) - 1
    return frame.query_int("true", None, 0, last), frame.query_int("predicted", None, 0, last)


def _go_to(cell: Cell) -> None:
    address.put(true=cell[0], predicted=cell[1], page=None)
    st.rerun()


main()

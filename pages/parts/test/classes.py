"""Class by class: precision, recall, F1, before and after; the averages; a sample, or the pictures of a class."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import Evaluation, tutorial_report, wilson
from fmnist_core.evaluation.metrics import AVERAGES, Bootstrap, Interval, bootstrap, mean_interval, per_class
from fmnist_core.evaluation.score import Score
from fmnist_core.studies.subject import Subject
from fmnist_core.views import charts
from fmnist_core.views.colours import AFTER, BEFORE
from pages.parts import address, controls, frame
from pages.parts.runs.gallery import gallery
from pages.parts.text import decimal, signed


def draw(subject: Subject) -> None:
    """The view."""
    before, after = subject.before, subject.after
    st.subheader("Each class", anchor=False)
    shown = controls.one_of(
        "Show as",
        "as",
        ("table", "print"),
        words={"table": "Table", "print": "As the tutorial prints it"},
        label_visibility="collapsed",
    )
    drawn = bootstrap(after.matrix)
    if shown == "table":
        _table(before, after, drawn)
    else:
        for place, result in zip(st.tabs(["After", "Before"]), (after, before), strict=True):
            place.code(tutorial_report(result.score), language=None)
    left, right = st.columns([1, 1], gap="large")
    with left:
        st.subheader("All classes together", anchor=False)
        _overall(before, after, drawn)
        bars(before.score, after.score)
    with right:
        gallery(after, subject, (address.optional("true"), None))


def _table(before: Evaluation, after: Evaluation, drawn: Bootstrap) -> None:
    old, new = per_class(before.matrix), per_class(after.matrix)
    predicted = after.matrix.sum(0)
    recalls = [_wilson(c, t) for c, t in zip(after.correct, after.total, strict=True)]
    precisions = [_wilson(c, t) for c, t in zip(after.correct, predicted, strict=True)]
    table = pd.DataFrame(
        {
            "Class": CLASSES,
            "Recall": 100 * new.recall,
            "Recall, 95 %": [_interval(ends) for ends in recalls],
            "Before": 100 * old.recall,
            "Change": 100 * (new.recall - old.recall),
            "Precision": 100 * new.precision,
            "Precision, 95 %": [_interval(ends) for ends in precisions],
            "F1": 100 * new.f1,
            "F1, 95 %": [_interval(ends) for ends in drawn.f1],
            "Support": new.support,
        }
    )
    percent = st.column_config.NumberColumn
    ends = st.column_config.TextColumn
    event = st.dataframe(
        table.style.format({"Change": lambda points: signed(points, 1)}),
        hide_index=True,
        height=38 + 35 * len(CLASSES),
        on_select="rerun",
        selection_mode="single-row",
        key="classes",
        column_config={
            "Class": st.column_config.TextColumn(pinned=True),
            "Recall": percent(format="%.1f %%", help="Of the pictures of the class, the share that is recognised"),
            "Recall, 95 %": ends(help="Wilson's interval, in %"),
            "Before": percent(format="%.1f %%", help="Recall before training"),
            "Change": percent(help="Of the recall, in percentage points"),
            "Precision": percent(
                format="%.1f %%", help="Of the pictures predicted as the class, the share that is of it"
            ),
            "Precision, 95 %": ends(help="Wilson's interval, in %"),
            "F1": percent(format="%.1f %%", help="Harmonic mean of precision and recall"),
            "F1, 95 %": ends(help="By bootstrap: the middle 95 % of 1,000 samples drawn from these pictures, in %"),
            "Support": percent(format="localized", help="Pictures of the class"),
        },
    )
    st.caption(
        "Recall asks of a class how much of it is found; precision, how far to trust its name; F1 is high only where both are. "
        "A heading sorts, a row opens its pictures below. The intervals say how much other test pictures could change a "
        "number, not what another seed would."
    )
    rows = event.selection.rows
    row = rows[0] if rows else None
    if row != st.session_state.get("class_row"):  # a click, and not the row of the click before
        st.session_state["class_row"] = row
        if row is not None:
            address.put(true=row, predicted=None, page=None)
            st.rerun()


def _wilson(part: int, whole: int) -> Interval:
    return wilson(int(part), int(whole)) if whole else (0.0, 1.0)  # nothing is known


def _interval(ends: Interval) -> str:
    return f"{100 * ends[0]:4.1f} to {100 * ends[1]:4.1f}"  # one width, so that sorting as text sorts as numbers


def _overall(before: Evaluation, after: Evaluation, drawn: Bootstrap) -> None:
    old, new = per_class(before.matrix).averages, per_class(after.matrix).averages
    right, total = int(after.correct.sum()), int(after.total.sum())
    rows = [("Accuracy", before.accuracy, after.accuracy, wilson(right, total))]
    rows += [(name.capitalize().replace("f1", "F1"), old[name], new[name], drawn.averages[name]) for name in AVERAGES]
    lines = [
        f"<tr><th>{name}</th><td>{100 * then:.1f}</td><td>{100 * now:.2f}</td><td>{100 * low:.1f} to {100 * high:.1f}</td></tr>"
        for name, then, now, (low, high) in rows
    ]
    low, high = mean_interval(after.losses)
    lines.append(
        f"<tr><th>Mean loss (nats)</th><td>{decimal(before.loss, 3)}</td><td>{decimal(after.loss, 4)}</td>"
        f"<td>{decimal(low, 3)} to {decimal(high, 3)}</td></tr>"
    )
    st.html(
        '<div class="scroll"><table class="figures"><thead><tr><th>in %</th><th>before</th><th>after</th><th>95 % interval</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
    st.caption(
        "Macro: every class counts the same. Weighted: by its pictures; with 1,000 of each, that is the same. Intervals: "
        "Wilson's for accuracy, 1.96 standard errors for the loss, 1,000 bootstrap samples for the rest."
    )


def bars(before: Score, after: Score) -> None:
    """Recall of each class as bars, before and after."""
    st.plotly_chart(
        charts.class_bars({"before": (before, BEFORE), "after": (after, AFTER)}, frame.ink()),
        config={"displayModeBar": False},
        key="bars",
    )
    st.caption(
        "Accuracy within each class, which is its recall. Thin lines: 95 % Wilson intervals. People were right on 83.5 % of "
        "1,000 of these images, as the data set's authors report."
    )

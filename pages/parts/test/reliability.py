"""Calibration: whether the network is right as often as it says, and one temperature that mends it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.evaluation.calibration import BINS, Reliability, fit_by_halves, fit_temperature, reliability, scaled
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.studies.subject import Subject, validation
from fmnist_core.views.confidence import reliability_diagram
from pages.parts import address, frame
from pages.parts.runs.gallery import ranked
from pages.parts.text import decimal

COLDEST, WARMEST = 0.25, 4.0


def draw(subject: Subject) -> None:
    """The view."""
    trained = subject.after
    st.subheader("Is it right as often as it says?", anchor=False)
    left, right = st.columns([1, 1], gap="large")
    with left:
        now, words = _temperature(subject)
    chosen = address.optional("bin")
    before, after = reliability(trained), reliability(now)
    with left:
        figure = reliability_diagram(after, before if now is not trained else None, chosen, frame.ink())
        event = st.plotly_chart(
            figure,
            config={"displayModeBar": False},
            on_select="rerun",
            selection_mode="points",
            key=f"reliability_{chosen}",  # a new choice starts a new chart: no selection is left over
        )
        st.caption(
            f"Bars: the share that is right in each of {BINS} equally wide bins of confidence, with 95 % Wilson intervals. Red marks: "
            "the bin's mean confidence. A bar below its mark: too sure of itself. A click on a bar opens its pictures."
        )
        if points := event.selection.points:
            address.put(bin=int(points[0]["customdata"][0]), page=None)
            st.rerun()
    with right:
        _figures(trained, now, words)
        _bin_pictures(subject, now, after, chosen)


def _temperature(subject: Subject) -> tuple[Evaluation, str]:
    """The control for `?temperature=`, and for `?fit=true`; the evaluation with it, and its name in the table."""
    is_fitted = address.flag("fit")
    trained = subject.after
    if is_fitted:
        now, value, note = _fitted(subject)
    else:
        value = address.real("temperature")
        now, note = (trained if value == 1 else scaled(trained, value)), ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.slider(
            "Temperature",
            COLDEST,
            WARMEST,
            step=0.01,
            **address.bound("temperature", min(max(value, COLDEST), WARMEST), then=lambda: address.put(fit=None)),
            help="All ten scores are divided by it before the softmax. Above 1 the network becomes less sure, below 1 surer.",
            width=240,
        )
        st.button(
            "Fit", icon=":material/tune:", on_click=address.put, kwargs={"fit": True, "temperature": None}, key="fit"
        )
        st.button(
            "As trained",
            on_click=address.put,
            kwargs={"fit": None, "temperature": None},
            key="as_trained",
            disabled=now is trained,
        )
    if note:
        st.caption(note)
    return now, "fitted" if is_fitted else f"T = {value:g}"


def _fitted(subject: Subject) -> tuple[Evaluation, float, str]:
    """The evaluation with a fitted temperature, that temperature, and how it was found."""
    if (held_out := validation(subject)) is not None:
        value = fit_temperature(held_out)
        images = f"{len(held_out.labels):,} validation images"
        return (
            scaled(subject.after, value),
            value,
            f"T = {value:.3f} has the lowest loss on this run's {images}; the test images did not help to choose it.",
        )
    try:
        each, (on_even, on_odd) = fit_by_halves(subject.after)
    except ValueError:
        return subject.after, 1.0, "There are too few pictures to fit a temperature on one half of them."
    return (
        scaled(subject.after, each),
        float(np.sqrt(on_even * on_odd)),
        f"This run holds out no validation images. So T = {on_even:.3f} is fitted on the test images with an even index and used "
        f"for the odd ones, and T = {on_odd:.3f} the other way round: no picture is judged with a temperature that it helped "
        "to choose.",
    )


def _figures(trained: Evaluation, now: Evaluation, words: str) -> None:
    """Calibration error, loss and accuracy, as trained and with the temperature."""
    columns = [("as trained", trained)] + ([(words, now)] if now is not trained else [])
    sorted_in = [reliability(result) for _, result in columns]
    rows = {
        "Expected calibration error": [frame.percent(each.error) for each in sorted_in],
        "the same by chance alone": [frame.percent(each.error_by_chance()) for each in sorted_in],
        "Mean confidence": [frame.percent(float(result.confidences.mean())) for _, result in columns],
        "Accuracy": [frame.percent(result.accuracy) for _, result in columns],
        "Test loss (nats per image)": [decimal(result.loss, 4) for _, result in columns],
    }
    st.html(
        '<div class="scroll"><table class="figures"><thead><tr><th></th>'
        + "".join(f"<th>{name}</th>" for name, _ in columns)
        + "</tr></thead><tbody>"
        + "".join(
            f"<tr><th>{name}</th>{''.join(f'<td>{v}</td>' for v in values)}</tr>" for name, values in rows.items()
        )
        + "</tbody></table></div>"
    )
    st.caption(
        "Calibration error: how far confidence and accuracy lie apart, averaged over the bins, each weighted by its pictures "
        "(Guo et al. 2017). A perfectly calibrated network would show the error by chance, too. It says nothing about a single "
        "picture. Dividing by a temperature keeps the order of the scores, so the accuracy stays."
    )


def _bin_pictures(subject: Subject, now: Evaluation, bins: Reliability, chosen: int | None) -> None:
    options = [None, *np.flatnonzero(bins.count).tolist()]

    def words(option: int | None) -> str:
        if option is None:
            return "Choose a bin"
        low, high = 100 * bins.edges[option], 100 * bins.edges[option + 1]
        return f"{low:.1f} to {high:.1f} %: {bins.right[option]:,} of {bins.count[option]:,} right"

    if chosen not in options:
        chosen = None
    st.selectbox(
        "Pictures with a confidence of",
        options,
        format_func=words,
        **address.bound("bin", chosen, then=lambda: address.put(page=None)),
    )
    if chosen is not None:
        ranked(now, subject, np.flatnonzero(bins.members == chosen), first="Doubtful")

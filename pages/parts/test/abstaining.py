"""Not answering when unsure: what accuracy gains, how many pictures it costs, and which."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import streamlit as st

from fmnist_core.evaluation.calibration import coverage
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.studies.subject import Subject
from fmnist_core.views.confidence import coverage_curve
from pages.parts import address, controls, frame
from pages.parts.runs.gallery import ranked

Which = Literal["abstained", "answered wrong"]


def draw(subject: Subject) -> None:
    """The view."""
    result = subject.after
    st.subheader("Answer only when sure", anchor=False)
    threshold = address.real("threshold")
    st.slider(
        "Lowest confidence to answer",
        0.0,
        1.0,
        step=0.01,
        **address.bound("threshold", threshold, then=lambda: address.put(page=None)),
        help="The confidence is the highest of the ten probabilities. Below this the network abstains.",
    )
    answered = result.confidences >= threshold
    wrong = answered & ~result.is_right
    count, total = int(answered.sum()), len(answered)
    right = count - int(wrong.sum())
    left, middle, end = st.columns(3)
    left.metric(
        "Answered",
        f"{count:,} of {total:,}",
        f"{frame.percent(count / total, 1)} coverage",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    with middle:
        low, high = wilson(right, count) if count else (0.0, 1.0)
        st.metric(
            "Accuracy of the answers",
            frame.percent(right / count) if count else "–",
            f"95 %: {100 * low:.1f} to {100 * high:.1f}" if count else None,
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    abstained_right = int(result.is_right[~answered].sum())
    end.metric(
        "Abstained",
        f"{total - count:,}",
        f"{abstained_right:,} of them would be right" if count < total else "none",
        delta_color="off",
        delta_arrow="off",
        border=True,
    )
    chart, pictures = st.columns([1, 1], gap="large")
    with chart:
        st.plotly_chart(coverage_curve(coverage(result), count), config={"displayModeBar": False}, key="coverage")
        st.caption(
            "Each point is a threshold: the further left, the fewer pictures are answered. A useful confidence makes the curve "
            "fall from left to right. The accuracy is that of the answers alone; the rest must be handled by someone else."
        )
        st.caption(
            "A threshold that was chosen by these test pictures looks better here than it will be on new ones: choose it on "
            "validation images where the run has some."
        )
    with pictures:
        which = controls.one_of(
            "Pictures",
            "which",
            get_args(Which),
            words={"abstained": "Abstained", "answered wrong": "Answered, but wrong"},
            then=lambda: address.put(page=None),
            label_visibility="collapsed",
        )
        found = np.flatnonzero(wrong if which == "answered wrong" else ~answered)
        st.subheader(
            f"{len(found):,} {'answered, but wrong' if which == 'answered wrong' else 'abstained'}", anchor=False
        )
        ranked(result, subject, found, first="Doubtful")

"""Runs beside each other: settings that differ, curves, classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from html import escape

import pandas as pd
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.evaluation.score import Score
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.views import charts
from pages.parts import controls, frame
from pages.parts.compare.contenders import Contender, Mask, losses_of
from pages.parts.runs.run_list import duration, state_words

NAMES = {
    "batch_size": "Batch size",
    "epochs": "Epochs",
    "step_limit": "Step limit",
    "learning_rate": "Learning rate",
    "schedule": "Schedule",
    "momentum": "Momentum",
    "optimizer": "Optimizer",
    "weight_decay": "Weight decay",
    "loss": "Loss trained on",
    "label_smoothing": "Label smoothing",
    "dropout": "Dropout",
    "seed": "Seed",
    "device": "Device",
    "architecture": "Architecture",
    "conv1_channels": "Filters in conv1",
    "conv2_channels": "Filters in conv2",
    "hidden_units": "Hidden units",
    "standardise": "Standardised input",
    "shift": "Shift in pixels",
    "flip": "Mirrored at random",
    "erase": "Side of the erased square",
    "flip_test": "Measured with mirror image",
    "validation": "Images held out",
    "fold": "Fold",
}
TUTORIAL = "the tutorial's settings"
PLOT = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]]}


def word(value: object) -> str:
    """A setting's value as text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def settings_words(config: TrainingConfig, *, without: Sequence[str] = ("seed", "device")) -> str:
    """The settings that are not the tutorial's, in a line.

    >>> settings_words(TrainingConfig(batch_size=250, dropout=0.0))
    'batch size 250, dropout 0'
    """
    tutorial = TrainingConfig()
    parts = [
        f"{NAMES.get(field.name, field.name).lower()} {word(getattr(config, field.name))}"
        for field in fields(config)
        if field.name not in without and getattr(config, field.name) != getattr(tutorial, field.name)
    ]
    return ", ".join(parts) or TUTORIAL


def settings(contenders: Sequence[Contender], scores: Sequence[Score | None]) -> None:
    """Settings that differ, and what came of them, a column for each."""
    rows: dict[str, list[str]] = {}
    for field in fields(TrainingConfig):
        words = [word(getattr(contender.run.config, field.name)) for contender in contenders]
        if len(set(words)) > 1:
            rows[NAMES.get(field.name, field.name)] = words
    differing = [field.name for field in fields(TrainingConfig) if NAMES.get(field.name, field.name) in rows]
    same = settings_words(contenders[0].run.config, without=differing)
    runs = [contender.run for contender in contenders]
    outcome = {
        "State": [state_words(run) for run in runs],
        "Epochs done": [f"{c.at / c.run.config.steps_per_epoch:.3g}" for c in contenders],
        "Training time": [duration(run.seconds) for run in runs],
        "Test loss": [f"{score.loss:.4f}" if score else "" for score in scores],
        "Test accuracy": [frame.percent(score.accuracy) if score else "" for score in scores],
        "95 % interval": [_interval(score) for score in scores],
    }
    if any(run.latest and run.latest.validation for run in runs):
        held_out = [run.latest.validation if run.latest else None for run in runs]
        outcome["Validation accuracy"] = [frame.percent(score.accuracy) if score else "" for score in held_out]
    st.subheader("Settings that differ" if rows else "The same settings", anchor=False)
    head = "".join(
        f'<th><span style="color:{contender.colour}" aria-hidden="true">■</span> {escape(contender.name)}</th>'
        for contender in contenders
    )

    def lines(some: dict[str, list[str]]) -> str:
        return "".join(
            f"<tr><th>{label}</th>{''.join(f'<td>{text}</td>' for text in words)}</tr>" for label, words in some.items()
        )

    st.html(
        f'<div style="overflow-x:auto"><table class="figures"><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{lines(rows)}</tbody><tbody class="outcome">{lines(outcome)}</tbody></table></div>'
    )
    st.caption(
        ("The same in all" if len(contenders) > 1 else "Its settings")
        + f": {same}{'' if same == TUTORIAL else '; the rest as in the tutorial'}. The interval (Wilson) says how sure the "
        "accuracy is as a property of this one network; training again with another seed may give another accuracy."
    )


def _interval(score: Score | None) -> str:
    if not score:
        return ""
    low, high = wilson(sum(score.correct), sum(score.total))
    return f"{100 * low:.1f} to {frame.percent(high, 1)}"


def curves(contenders: Sequence[Contender], mask: Mask) -> None:
    """Loss and test accuracy over each other; one curve for each run, also where two moments of it are compared."""
    first_of = {contender.run.id: contender for contender in reversed(contenders)}
    shown = [
        charts.Curve(
            contender.name if contender.step is None else contender.run.title,
            contender.colour,
            losses_of(contender.run),
            contender.run.config.batch_size,
            contender.run.config.steps_per_epoch,
            contender.measured(mask),
        )
        for contender in contenders
        if first_of[contender.run.id] is contender
    ]
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Loss", anchor=False)
        logarithmic = controls.switch("Logarithmic", "log")
        st.plotly_chart(charts.loss_curves(shown, logarithmic=logarithmic), config=PLOT, key="losses")
        st.caption(
            "Thin lines: training loss, the mean of each 2,000 images, with dropout on. Points: the test images, after "
            "each epoch. The two are not the same thing measured twice: dropout makes the training loss higher."
        )
    with right:
        st.subheader("Test accuracy", anchor=False)
        st.caption("After each epoch; epoch 0 is before training. A curve is one seed: another seed draws another one.")
        st.plotly_chart(charts.accuracy_curves(shown), config=PLOT, key="accuracies")


def classes(contenders: Sequence[Contender], scores: Sequence[Score | None]) -> None:
    """Accuracy class by class."""
    st.subheader("Accuracy of each class", anchor=False)
    known = {c.name: (score, c.colour) for c, score in zip(contenders, scores, strict=True) if score}
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(charts.class_bars(known, frame.ink()), config={"displayModeBar": False}, key="bars")
    with right:
        shares = {
            name: [100 * c / t for c, t in zip(score.correct, score.total, strict=True)]
            for name, (score, _) in known.items()
        }
        percent = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            pd.DataFrame({"Class": CLASSES, **shares}),
            hide_index=True,
            height=38 + 35 * len(CLASSES),
            key="classes",
            column_config=dict.fromkeys(shares, percent) | {"Class": st.column_config.TextColumn(pinned=True)},
        )
        st.caption(
            "Thin lines in the chart: 95 % Wilson intervals. Where two of them overlap far, do not trust the order."
        )

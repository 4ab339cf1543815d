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
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.text import cell
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Word
from fmnist_core.studies import scores
from fmnist_core.studies.scores import Mask
from fmnist_core.views import charts
from pages.parts import controls, frame
from pages.parts.compare.contenders import Contender
from pages.parts.runs.run_list import duration, state_words
from pages.parts.text import decimal, number
from pages.parts.train.setting_groups import in_words

NAMES = {name: setting.label for name, setting in SETTINGS.items()} | {"branched": "Branched off at step"}
BRANCHED = "branched"
STEERED = ("learning_rate", "momentum")
"""Settings that can be changed while a run trains."""
NONE_AT_0 = ("step_limit", "shift", "erase", "validation")
"""Settings whose 0 means that there is none."""
TUTORIAL = "the tutorial's settings"
PLOT = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]]}


def word(name: str, config: TrainingConfig) -> str:
    """The value of a setting, as its control says it.

    >>> word("optimizer", TrainingConfig()), word("weight_decay", TrainingConfig(weight_decay=0.00001))
    ('SGD', '0.00001')
    """
    value, row = getattr(config, name), SETTINGS[name]
    if isinstance(row.range, Word):
        return row.range.names[value].partition(":")[0]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in NONE_AT_0 and not value:
        return "none"
    return number(value) if isinstance(value, float) else f"{value:,}"


def settings_words(config: TrainingConfig, *, without: Sequence[str] = ("seed", "device")) -> str:
    """The settings that are not the tutorial's, in a line.

    >>> settings_words(TrainingConfig(batch_size=250, dropout=0.0))
    'batch size 250, dropout 0'
    """
    usual = TrainingConfig().to_dict()
    values = {name: value for name, value in config.to_dict().items() if name not in without and value != usual[name]}
    return in_words(values) or TUTORIAL


def course_words(run: Run, step: int) -> dict[str, str]:
    """What a person did to the run up to `step`: each setting that was changed in flight, and where a branch began.

    By the name of the setting, or `BRANCHED`; empty for a run that its settings alone decide.
    """
    words = {BRANCHED: f"{run.first_step:,}"} if run.parent else {}
    for name in STEERED:
        course = run.course(name, step)
        if len(course) > 1 or course[0] != (run.first_step, getattr(run.config, name)):
            words[name] = ", ".join(
                f"{value:g}" + (f" after step {since:,}" if since > run.first_step else "") for since, value in course
            )
    return words


def run_words(run: Run) -> str:
    """The settings of a run that are not the tutorial's, and what a person did to it, in a line."""
    done = course_words(run, run.step)
    words = settings_words(run.config, without=("device", "seed", *done))
    extra = [f"{NAMES[name].lower()} {text}" for name, text in done.items() if name != BRANCHED]
    extra += [f"branched off at step {done[BRANCHED]}"] if BRANCHED in done else []
    seed = f"seed {run.config.seed:,}" if run.config.seed else ""
    return ", ".join(filter(None, [words, seed, *extra]))


def settings(contenders: Sequence[Contender], reached: Sequence[Score | None]) -> None:
    """Settings that differ, and what came of them, a column for each."""
    rows: dict[str, list[str]] = {}
    done = [course_words(contender.run, contender.at) for contender in contenders]
    for name in (*(field.name for field in fields(TrainingConfig)), BRANCHED):
        words = [
            course.get(name, "" if name == BRANCHED else word(name, contender.run.config))
            for contender, course in zip(contenders, done, strict=True)
        ]
        if len(set(words)) > 1 or any(name in course for course in done):
            rows[name] = words
    same = settings_words(contenders[0].run.config, without=list(rows))
    differ = any(len(set(words)) > 1 for words in rows.values())
    runs = [contender.run for contender in contenders]
    outcome = {
        "State": [state_words(run) for run in runs],
        "Epochs done": [f"{c.at / c.run.config.steps_per_epoch:.3g}" for c in contenders],
        "Training time": [duration(run.seconds) for run in runs],
        "Test loss": [decimal(score.loss, 4) if score else "" for score in reached],
        "Test accuracy": [frame.percent(score.accuracy) if score else "" for score in reached],
        "95 % interval": [_interval(score) for score in reached],
    }
    if any(run.latest and run.latest.validation for run in runs):
        held_out = [run.latest.validation if run.latest else None for run in runs]
        outcome["Validation accuracy"] = [frame.percent(score.accuracy) if score else "" for score in held_out]
    st.subheader("Settings that differ" if differ else "The same settings", anchor=False)
    head = "".join(
        f'<th><span style="color:{contender.colour}" aria-hidden="true">■</span> {escape(contender.name)}</th>'
        for contender in contenders
    )

    def lines(some: dict[str, list[str]]) -> str:
        return "".join(
            f"<tr><th>{label}</th>{''.join(f'<td>{text}</td>' for text in words)}</tr>" for label, words in some.items()
        )

    st.html(
        f'<div class="scroll"><table class="figures"><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{lines({NAMES[name]: words for name, words in rows.items()})}</tbody><tbody class="outcome">{lines(outcome)}</tbody></table></div>'
    )
    whose = "The same in all" if len(contenders) > 1 else "Its settings"
    if same == TUTORIAL and rows:
        told = "All other settings are the tutorial's."
    else:
        told = f"{whose}: {same}{'' if same == TUTORIAL else '; the rest as in the tutorial'}."
    st.caption(
        f"{told} The interval (Wilson) says how sure the "
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
            scores.losses(contender.run),
            contender.run.config.batch_size,
            contender.run.config.steps_per_epoch,
            scores.measured(contender.run, mask),
            contender.run.first_step,
        )
        for contender in contenders
        if first_of[contender.run.id] is contender
    ]
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Loss", anchor=False)
        logarithmic = controls.switch("Logarithmic", "log")
        configs = [contender.run.config for contender in contenders]
        alike = all(config.trains_cross_entropy for config in configs)
        figure = charts.loss_curves(shown, logarithmic=logarithmic, with_batches=alike)
        st.plotly_chart(figure, config=PLOT, key="losses")
        st.caption(loss_words(configs))
    with right:
        st.subheader("Test accuracy", anchor=False)
        st.caption("After each epoch; epoch 0 is before training. A curve is one seed: another seed draws another one.")
        st.plotly_chart(charts.accuracy_curves(shown), config=PLOT, key="accuracies")


def loss_words(configs: Sequence[TrainingConfig]) -> str:
    """What the chart of the losses shows, and why that of training is not that of the test images measured again."""
    trained = list(dict.fromkeys(words for config in configs if (words := charts.objective_words(config))))
    if trained:
        return (
            "Cross-entropy after each epoch, without dropout: solid on the test images, dotted on the first 10,000 training "
            f"images. The loss of each batch is not drawn, because it is another measure: what was trained on is "
            f"{' or '.join(trained)}."
        )
    dropout = any(config.dropout for config in configs)
    return "Thin lines: training loss, the mean of each 2,000 images. Points: the test images, after each epoch." + (
        " The two are not the same thing measured twice: with dropout on, the training loss is higher."
        if dropout
        else ""
    )


def classes(contenders: Sequence[Contender], reached: Sequence[Score | None]) -> None:
    """Accuracy class by class."""
    st.subheader("Accuracy of each class", anchor=False)
    known = {c.name: (score, c.colour) for c, score in zip(contenders, reached, strict=True) if score}
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(charts.class_bars(known, frame.ink()), config={"displayModeBar": False}, key="bars")
    with right:
        shares = {
            cell(name): [100 * c / t for c, t in zip(score.correct, score.total, strict=True)]
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
        st.caption("Thin lines in the chart: 95 % Wilson intervals. Where two overlap a lot, do not trust the order.")

"""Two or more runs beside each other: what was set differently, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from fmnist_core import comparison, evaluation
from fmnist_core.dataset import CLASSES
from fmnist_core.evaluation import Evaluation
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs import client
from fmnist_core.runs.record import Run
from fmnist_core.views import charts
from fmnist_core.views.colours import RUNS
from pages.parts import address, frame, run_picker
from pages.parts.image_grid import image_grid
from pages.parts.run_list import duration, state_words

SHOWN = 20
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
    "shift": "Shift, pixels",
    "flip": "Mirrored at random",
    "erase": "Erased square, pixels",
    "flip_test": "Measured with mirror image",
    "validation": "Images held out",
    "fold": "Fold",
}


def main() -> None:
    """The page."""
    frame.page(
        "Compare",
        "Put two or more runs beside each other: what was set differently, how they learned, and whether the difference in "
        "the end is more than chance.",
        code=(comparison.difference, comparison.mcnemar, charts.loss_curves, charts.window_means, charts.class_bars),
    )
    everything = [run for run in client.list_runs() if run.latest]
    if not everything:
        run_picker.no_runs()
        return
    runs = run_picker.runs_picker(everything, len(RUNS))
    if len(runs) < 2:
        st.info(
            "Choose two runs to compare."
            if len(everything) > 1
            else "There is only one run so far: change one setting, train again, and compare here.",
            icon=":material/info:",
        )
        st.page_link("pages/5_train.py", label="Train another", icon=":material/arrow_forward:")
    if not runs:
        return
    names = _names(runs)
    _settings(runs, names)
    _curves(runs, names)
    _classes(runs, names)
    if len(runs) > 1:
        _difference(runs, names)
    if any(run.is_active for run in runs):
        shown = [(run.id, run.state, run.latest.step if run.latest else 0) for run in runs]
        st.fragment(_wait_for_news, run_every=2.0, key="news")(shown)


def _names(runs: Sequence[Run]) -> list[str]:
    """A name for each run that no other has, and no other column of the table. Plain text."""
    titles = ["Class", *(run.title for run in runs)]
    return [run.title if titles.count(run.title) == 1 else f"{run.title} ({run.sequence})" for run in runs]


def _wait_for_news(shown: list[tuple[str, str, int]]) -> None:
    for run_id, state, step in shown:
        try:
            run = client.get(run_id)
        except client.RunNotFound:
            st.rerun()
        if run.state != state or (run.latest and run.latest.step != step):
            st.rerun()


def _settings(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Settings that differ, and what came of them, a column for each run."""
    rows: dict[str, list[str]] = {}
    same = []
    for field in fields(TrainingConfig):
        values = [getattr(run.config, field.name) for run in runs]
        words = [f"{value:g}" if isinstance(value, float) else str(value) for value in values]
        if len(set(words)) > 1:
            rows[NAMES[field.name]] = words
        else:
            same.append(f"{NAMES[field.name].lower()} {words[0]}")
    outcome = {
        "State": [state_words(run) for run in runs],
        "Epochs done": [f"{run.latest.epoch:.3g}" if run.latest else "" for run in runs],
        "Training time": [duration(run.seconds) for run in runs],
        "Test loss": [f"{run.latest.test.loss:.4f}" if run.latest else "" for run in runs],
        "Test accuracy": [frame.percent(run.latest.test.accuracy) if run.latest else "" for run in runs],
        "95 % interval": [_interval(run) for run in runs],
    }
    st.subheader("Settings that differ" if rows else "The same settings", anchor=False)
    head = "".join(
        f'<th><span style="color:{colour}" aria-hidden="true">■</span> {escape(name)}</th>'
        for name, colour in zip(names, RUNS, strict=False)
    )

    def lines(some: dict[str, list[str]]) -> str:
        return "".join(
            f"<tr><th>{label}</th>{''.join(f'<td>{word}</td>' for word in words)}</tr>" for label, words in some.items()
        )

    st.html(
        f'<div style="overflow-x:auto"><table class="figures"><thead><tr><th></th>{head}</tr></thead>'
        f'<tbody>{lines(rows)}</tbody><tbody class="outcome">{lines(outcome)}</tbody></table></div>'
    )
    if same:
        st.caption(f"The same in all: {', '.join(same)}." if len(runs) > 1 else f"{', '.join(same).capitalize()}.")


def _interval(run: Run) -> str:
    if not run.latest:
        return ""
    score = run.latest.test
    low, high = evaluation.wilson(sum(score.correct), sum(score.total))
    return f"{100 * low:.1f} to {frame.percent(high, 1)}"


def _curves(runs: Sequence[Run], names: Sequence[str]) -> None:
    curves = [
        charts.Curve(
            name,
            colour,
            client.folder(run.id).losses(),
            run.config.batch_size,
            run.config.steps_per_epoch,
            run.measured,
        )
        for run, name, colour in zip(runs, names, RUNS, strict=False)
    ]
    left, right = st.columns(2, gap="large")
    config = {"displaylogo": False, "modeBarButtons": [["zoom2d", "pan2d", "resetScale2d", "toImage"]]}
    with left:
        st.subheader("Loss", anchor=False)
        logarithmic = address.switch("Logarithmic", "log", False)
        st.plotly_chart(charts.loss_curves(curves, logarithmic=logarithmic), config=config, key="losses")
        st.caption(
            "Thin lines: training loss, the mean of each 2,000 images, with dropout on. Points: the 10,000 test images, "
            "after each epoch."
        )
    with right:
        st.subheader("Test accuracy", anchor=False)
        st.caption("After each epoch; epoch 0 is before training.")
        st.plotly_chart(charts.accuracy_curves(curves), config=config, key="accuracies")


def _classes(runs: Sequence[Run], names: Sequence[str]) -> None:
    st.subheader("Accuracy of each class", anchor=False)
    scores = {
        name: (run.latest.test, colour)
        for run, name, colour in zip(runs, names, RUNS, strict=False)
        if run.latest is not None
    }
    left, right = st.columns(2, gap="large")
    with left:
        st.plotly_chart(charts.class_bars(scores, frame.ink()), config={"displayModeBar": False}, key="bars")
    with right:
        shares = {
            name: [100 * c / t for c, t in zip(score.correct, score.total, strict=True)]
            for name, (score, _) in scores.items()
        }
        table = pd.DataFrame({"Class": CLASSES, **shares})
        percent = st.column_config.NumberColumn(format="%.1f %%")
        st.dataframe(
            table,
            hide_index=True,
            height=38 + 35 * len(CLASSES),
            key="classes",
            column_config=dict.fromkeys(shares, percent) | {"Class": st.column_config.TextColumn(pinned=True)},
        )
        st.caption(
            "Thin lines in the chart: 95 % Wilson intervals. Where two of them overlap far, do not trust the order."
        )


# --- Is it more than chance? ---------------------------------------------------------------------------------------


def _difference(runs: Sequence[Run], names: Sequence[str]) -> None:
    """The first two runs, picture by picture."""
    st.subheader("Is the difference more than chance?", anchor=False)
    first, second = (f"**{frame.plain(run.title)}**" for run in runs[:2])
    if len(runs) > 2:
        st.caption("Between the first two runs.")
    test = frame.data_or_stop("test")
    try:
        results = [
            Evaluation.from_logits(client.folder(run.id).logits(run.latest.step if run.latest else 0), test.labels)
            for run in runs[:2]
        ]
    except (OSError, ValueError):
        st.warning("The predictions for each picture are missing from one run's folder.", icon=":material/folder_off:")
        return
    apart = comparison.difference(*results)
    counts = len(apart.only_first), len(apart.only_second)
    p = apart.p_value
    verdict = (
        "Two equally good networks would differ at least so much in "
        f"{'fewer than 1 in 10,000' if p < 1e-4 else f'{100 * p:.2g} of 100'} cases (McNemar's exact test): "
        + ("this is more than chance." if p < 0.05 else "this could well be chance.")
    )
    st.markdown(
        f"{first} is right on **{counts[0]:,}** pictures where {second} is wrong; {second} on **{counts[1]:,}** where "
        f"{first} is wrong. {verdict if sum(counts) else 'They agree on every picture.'}"
    )
    st.caption(
        "It is about these two networks on these 10,000 pictures. Whether one setting is better than the other takes "
        "several seeds of each."
    )
    which = address.one_of(
        "Pictures that only one of them has right",
        "only",
        ("first", "second"),
        words={"first": f"Only {frame.plain(names[0])}", "second": f"Only {frame.plain(names[1])}"},
        then=lambda: address.put(page=None),
    )
    indices = apart.only_first if which == "first" else apart.only_second
    wrong = results[1] if which == "first" else results[0]
    _pictures(indices, wrong, test.images)


def _pictures(indices: np.ndarray, wrong: Evaluation, images: np.ndarray) -> None:
    """A page of the pictures that one network has right; the caption says what the other one sees in them."""
    if not len(indices):
        st.info("There is no such picture.", icon=":material/image_not_supported:")
        return
    page = address.page_number(-(-len(indices) // SHOWN))
    shown = indices[(page - 1) * SHOWN : page * SHOWN]
    pairs = [(CLASSES[wrong.labels[i]], CLASSES[wrong.predictions[i]]) for i in shown]
    image_grid(
        images[shown],
        captions=[f"{guess} ({true})" for true, guess in pairs],
        hovers=[
            f"Test picture {i}\nTrue: {true}\nThe other network: {guess}"
            for i, (true, guess) in zip(shown.tolist(), pairs, strict=True)
        ],
        links=[f"image?split=test&index={i}" for i in shown.tolist()],
        columns=10,
        cell=84,
        alt="Pictures that only one of the two networks has right",
        key="apart",
    )
    st.caption("What the other network takes them for, and the true class in brackets. A click opens the picture.")


main()

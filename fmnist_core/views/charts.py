"""Charts for finished figures: values in, Plotly figure out. The chart that follows a run is pages/parts/live_chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import CHANCE, HUMAN_ACCURACY, wilson
from fmnist_core.evaluation.score import Score
from fmnist_core.once import once
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Measured
from fmnist_core.views.colours import REFERENCE
from fmnist_core.views.text import shown

IMAGES = 2_000
"""Images behind each point of `loss_curves`: the same for every batch size, so that curves can be compared."""


@dataclass(frozen=True)
class Curve:
    """One run, as a chart needs it."""

    name: str
    """Plain text."""
    colour: str
    losses: npt.NDArray[np.float32]
    """(steps,) float32: the loss of every training batch after `first_step`."""
    batch_size: int
    steps_per_epoch: int
    measured: Sequence[Measured]
    first_step: int = 0
    """Where a branch begins."""


@once(32)
def class_bars(scores: Mapping[str, tuple[Score, str]], ink: str = "#444444") -> go.Figure:
    """Accuracy per class with 95 % Wilson intervals, one bar for each of `scores`: name to (score, colour).

    `ink`: the colour of the intervals, which has to stand out from the bars and from the page.
    """
    figure = go.Figure()
    for name, (score, colour) in scores.items():
        shares = [100 * c / t for c, t in zip(score.correct, score.total, strict=True)]
        ends = [wilson(c, t) for c, t in zip(score.correct, score.total, strict=True)]
        figure.add_bar(
            name=shown(name),
            y=CLASSES,
            x=shares,
            orientation="h",
            marker_color=colour,
            error_x={
                "array": [100 * high - share for share, (_, high) in zip(shares, ends, strict=True)],
                "arrayminus": [share - 100 * low for share, (low, _) in zip(shares, ends, strict=True)],
                "color": ink,
                "thickness": 1.2,
                "width": 2,
            },
            customdata=[
                (c, t, 100 * low, 100 * high)
                for c, t, (low, high) in zip(score.correct, score.total, ends, strict=True)
            ],
            hovertemplate="%{y}: %{x:.1f} % (%{customdata[0]} of %{customdata[1]})<br>"
            f"95 % interval %{{customdata[2]:.1f}} to %{{customdata[3]:.1f}} %<extra>{shown(name)}</extra>",
        )
    for share, words in ((CHANCE, "chance"), (HUMAN_ACCURACY, "people")):
        figure.add_vline(
            100 * share,
            line={"color": REFERENCE, "dash": "dot", "width": 1.5},
            annotation={"text": f"{words}: {100 * share:.3g} %", "font_size": 11},
            annotation_position="top",
        )
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(title="Accuracy (%)", range=[0, 102], fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    return _laid_out(figure, height=90 + 10 * max(38, 15 * len(scores)), barmode="group", bargap=0.25)


def window_means(
    losses: npt.NDArray[np.float32], batch_size: int, steps_per_epoch: int, first_step: int = 0
) -> tuple[list[float], list[float]]:
    """(epochs, means): the mean loss of each `IMAGES` images or so. Windows do not reach over the end of an epoch.

    >>> window_means(np.array([4, 2, 1, 1, 0], np.float32), 1_000, 5)
    ([0.4, 0.8, 1.0], [3.0, 1.0, 0.0])
    >>> window_means(np.array([4, 2, 1], np.float32), 1_000, 5, first_step=9)
    ([2.0, 2.4], [4.0, 1.5])
    """
    window, end = max(1, IMAGES // batch_size), first_step + len(losses)
    epochs, means = [], []
    for epoch in range(first_step // steps_per_epoch, -(-end // steps_per_epoch)):
        begin = epoch * steps_per_epoch
        for at in range(begin, min(begin + steps_per_epoch, end), window):
            last = min(at + window, begin + steps_per_epoch, end)
            if last > first_step:  # of a branch that begins within a window, what is there of it
                epochs.append(last / steps_per_epoch)
                means.append(float(losses[max(at, first_step) - first_step : last - first_step].mean()))
    return epochs, means


def objective_words(config: TrainingConfig) -> str:
    """What training makes small, where that is not the cross-entropy that measurements tell; "" where it is.

    >>> objective_words(TrainingConfig()), objective_words(TrainingConfig(label_smoothing=0.05))
    ('', 'cross-entropy against labels smoothed by 0.05')
    """
    smoothed = f" against labels smoothed by {config.label_smoothing:g}" if config.label_smoothing else ""
    if config.loss == "one-vs-rest":
        return f"the sum of ten binary cross-entropies{smoothed}"
    return f"cross-entropy{smoothed}" if smoothed else ""


def loss_curves(curves: Sequence[Curve], *, logarithmic: bool, with_batches: bool = True) -> go.Figure:
    """Cross-entropy of several runs over each other: of their training batches (thin), and of the test images per epoch (points).

    `with_batches` false: instead of the batches, whose loss is another measure, the training images per epoch (dotted).
    """
    figure = go.Figure()
    for curve in curves if with_batches else ():
        epochs, means = window_means(curve.losses, curve.batch_size, curve.steps_per_epoch, curve.first_step)
        figure.add_scatter(
            x=epochs,
            y=means,
            name=shown(curve.name),
            legendgroup=curve.name,
            showlegend=False,
            mode="lines",
            line={"color": curve.colour, "width": 1.2},
            opacity=0.6,
            hovertemplate=f"%{{y:.4f}} while training<extra>{shown(curve.name)}</extra>",
        )
    _add_points(figure, curves, lambda score: score.loss, "%{y:.4f} on test images")
    if not with_batches:
        _add_points(figure, curves, lambda score: score.loss, "%{y:.4f} on training images", of_training=True)
    figure.update_yaxes(title="Loss (nats per image)", type="log" if logarithmic else "linear")
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    return _laid_out(figure, height=400, hovermode="x unified")


def accuracy_curves(curves: Sequence[Curve]) -> go.Figure:
    """Test accuracy per epoch of several runs."""
    figure = go.Figure()
    _add_points(figure, curves, lambda score: 100 * score.accuracy, "%{y:.2f} %")
    figure.add_hline(
        100 * CHANCE,
        line={"color": REFERENCE, "dash": "dot", "width": 1.5},
        annotation={"text": "chance: 10 %", "font_size": 11},
        annotation_position="top right",
    )
    figure.update_yaxes(title="Test accuracy (%)", range=[0, 100])
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    return _laid_out(figure, height=400, hovermode="x unified")


def _add_points(
    figure: go.Figure,
    curves: Sequence[Curve],
    value: Callable[[Score], float],
    words: str,
    *,
    of_training: bool = False,
) -> None:
    for curve in curves:
        scores = [(measured.epoch, measured.train if of_training else measured.test) for measured in curve.measured]
        figure.add_scatter(
            x=[epoch for epoch, score in scores if score],
            y=[value(score) for _, score in scores if score],
            name=shown(curve.name),
            legendgroup=curve.name,
            mode="lines+markers",
            showlegend=not of_training,
            line={"color": curve.colour, "width": 2, "dash": "dot" if of_training else "solid"},
            marker={"size": 6},
            hovertemplate=f"{words}<extra>{shown(curve.name)}</extra>",
        )


def _laid_out(figure: go.Figure, **layout: object) -> go.Figure:
    """What all charts share: small margins, the legend above."""
    return figure.update_layout(
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yref": "container", "yanchor": "top"},
        **layout,
    )

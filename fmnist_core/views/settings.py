"""Settings as pictures: the learning rate over a run, what a rate test found, what augmentation does."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.data import augmentation, dataset
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import RateTest, Suggestion
from fmnist_core.settings.schedules import learning_rate_at
from fmnist_core.views.colours import REFERENCE, RIGHT, TRAIN, WRONG

WIDTH, HEIGHT = 300, 92
POINTS = 300


def schedule(config: TrainingConfig) -> str:
    """The learning rate over the whole run as an SVG, 300 units wide; colours are the page's."""
    steps = config.total_steps
    at = np.unique(np.linspace(0, steps - 1, min(steps, POINTS)).astype(np.int64))
    rates = learning_rate_at(config, at, steps)
    left, right, top, bottom = 4.0, WIDTH - 4.0, 22.0, HEIGHT - 20.0
    x = left + (right - left) * at / max(steps - 1, 1)
    y = bottom - (bottom - top) * rates / rates.max()
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    epochs = steps / config.steps_per_epoch
    last = f"{rates[-1]:.2g}" if rates[-1] > rates.max() / 1000 else "near 0"
    words = f"Learning rate over the run: from {rates[0]:.2g}, at most {rates.max():.2g}, to {rates[-1]:.2g}"
    text = 'font-size="12" fill="currentColor"'
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{escape(words)}">'
        f'<line x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}" stroke="currentColor" stroke-opacity="0.3"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--st-primary-color)" stroke-width="2"/>'
        f'<text x="{left}" y="12" {text}>learning rate, at most {config.learning_rate:.3g}</text>'
        f'<text x="{left}" y="{HEIGHT - 4}" {text} opacity="0.75">start: {rates[0]:.2g}</text>'
        f'<text x="{right}" y="{HEIGHT - 4}" {text} opacity="0.75" text-anchor="end">'
        f"epoch {epochs:.3g}: {last}</text></svg>"
    )


def rate_test(test: RateTest, losses: Sequence[float], found: Suggestion, *, is_over: bool) -> go.Figure:
    """Loss against learning rate on a logarithmic axis; the suggestion is marked when the test is over."""
    figure = go.Figure()
    rates = [test.learning_rate(step) for step in range(len(losses))]
    figure.add_scatter(
        name="each step", x=rates, y=losses, mode="markers", marker={"size": 4, "color": REFERENCE, "opacity": 0.5},
        hovertemplate="rate %{x:.2g}: loss %{y:.3f}<extra></extra>",
    )  # fmt: skip
    figure.add_scatter(
        name="smoothed", x=rates, y=found.smooth, mode="lines", line={"color": TRAIN, "width": 2},
        hovertemplate="rate %{x:.2g}: smoothed %{y:.3f}<extra></extra>",
    )  # fmt: skip
    marks = [(found.learning_rate, RIGHT, "suggested", "solid"), (found.lowest, REFERENCE, "lowest", "dot")]
    if found.divergence:
        marks.append((found.divergence, WRONG, "too large", "dot"))
    for place, colour, words, dash in marks if is_over else ():
        figure.add_vline(place, line={"color": colour, "dash": dash, "width": 1.5})
        figure.add_annotation(
            x=np.log10(place), y=1.0, yref="paper", text=words, textangle=-90, showarrow=False,
            xanchor="left" if words == "too large" else "right",
            yanchor="top", font={"size": 11},
        )  # fmt: skip
    top = max(found.smooth[0], 2.303) * 1.25
    whole = [np.log10(test.lowest), np.log10(rates[-1] if is_over else test.highest)]
    figure.update_xaxes(type="log", title="Learning rate", dtick=1, exponentformat="power", range=whole)
    figure.update_yaxes(title="Loss (nats)", range=[max(0.0, min(found.smooth) - 0.4), top])
    figure.update_layout(height=270, margin={"l": 0, "r": 16, "t": 8, "b": 0}, showlegend=False, hovermode="closest")
    return figure


def augmented_rows(
    config: TrainingConfig, split: dataset.Split, *, pictures: int, epochs: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """What training shows of its first pictures: (pictures, 1 + epochs, 28, 28) uint8, and their indices.

    First the original, then the picture as the first epochs will show it: the same random numbers as in training.
    """
    orders = [
        dataset.epoch_order(len(split.labels), config.seed, epoch, config.validation, config.fold)
        for epoch in range(epochs)
    ]
    shown = orders[0][:pictures]
    rows = np.empty((len(shown), 1 + epochs, 28, 28), np.uint8)
    rows[:, 0] = split.images[shown]
    for epoch, order in enumerate(orders):
        places = np.flatnonzero(np.isin(order, shown))
        for place in places.tolist():
            batch, offset = divmod(place, config.batch_size)
            size = min(config.batch_size, len(order) - batch * config.batch_size)
            change = augmentation.changes(config, size, epoch, batch)
            here = slice(offset, offset + 1)
            one = augmentation.Change(
                change.rows[here], change.columns[here], change.rows_erased[here], change.columns_erased[here]
            )
            row = int(np.flatnonzero(shown == order[place])[0])
            rows[row, 1 + epoch] = augmentation.augmented(split.images[order[place : place + 1]], one)[0]
    return rows, shown

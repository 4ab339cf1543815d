"""A sweep as pictures: which settings went with which accuracy, and what accuracy cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fmnist_core.numbers import number
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.search import SCALES
from fmnist_core.views.colours import AFTER, BETWEEN, LESS, MORE, REFERENCE, RIGHT
from fmnist_core.views.text import shown

ACCURACY = [[0, LESS], [0.5, BETWEEN], [1, MORE]]
"""From the worst run of a sweep to its best; white text can be read on all of it."""
FONT = "Source Sans, sans-serif"
"""The page's own, for a chart that does not take it from the page's theme."""


@dataclass(frozen=True)
class Try:
    """One run of a sweep that has been measured."""

    title: str
    """Plain text."""
    config: TrainingConfig
    accuracy: float
    """On the held-out images, in [0, 1]."""
    seconds: float
    """Of training."""


def varied(configs: Sequence[TrainingConfig]) -> list[str]:
    """The settings in which they differ, in the order of the scales."""
    return [name for name in SCALES if len(values_of(name, configs)) > 1]


def values_of(name: str, configs: Sequence[TrainingConfig]) -> list[float]:
    """What they have of a setting, each value once, ascending."""
    return sorted({getattr(config, name) for config in configs})


def is_grid(configs: Sequence[TrainingConfig]) -> bool:
    """Whether they are all combinations of their values, each once."""
    lengths = [len(values_of(name, configs)) for name in varied(configs)]
    return math.prod(lengths) == len(configs) == len(set(configs))


def parallel(tries: Sequence[Try], ink: str) -> go.Figure:
    """A line for each run, through its settings to its accuracy; settings stand at even distances on their axes."""
    dimensions = []
    configs = [one.config for one in tries]
    for name in varied(configs):
        values = values_of(name, configs)
        dimensions.append(
            {
                "label": SCALES[name].label,
                "values": [values.index(getattr(one.config, name)) for one in tries],
                "tickvals": list(range(len(values))),
                "ticktext": [number(value) for value in values],
            }
        )
    accuracies = [100 * one.accuracy for one in tries]
    dimensions.append({"label": "Accuracy (%)", "values": accuracies, "tickformat": ".1f"})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": accuracies, "colorscale": ACCURACY},
            labelfont={"color": ink, "size": 14, "family": FONT},
            tickfont={"color": ink, "size": 13, "family": FONT},
            rangefont={"color": "rgba(0,0,0,0)"},
        )
    )
    figure.update_layout(height=300, margin={"l": 50, "r": 50, "t": 50, "b": 20}, paper_bgcolor="rgba(0,0,0,0)")
    return figure


def heat_map(tries: Sequence[Try], configs: Sequence[TrainingConfig], ink: str) -> go.Figure:
    """The accuracy of each combination of two settings. `configs`: all of the grid; what is not measured yet stays empty."""
    down, across = varied(configs)
    rows, columns = values_of(down, configs), values_of(across, configs)
    grid: list[list[float | None]] = [[None] * len(columns) for _ in rows]
    for one in tries:
        row, column = rows.index(getattr(one.config, down)), columns.index(getattr(one.config, across))
        grid[row][column] = 100 * one.accuracy
    figure = go.Figure(
        go.Heatmap(
            z=grid,
            x=[number(value) for value in columns],
            y=[number(value) for value in rows],
            colorscale=ACCURACY,
            texttemplate="%{z:.2f} %",
            textfont={"color": "#ffffff"},
            hovertemplate=f"{SCALES[down].label} %{{y}}, {SCALES[across].label.lower()} %{{x}}: %{{z:.2f}} %<extra></extra>",
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    known = [(value, row, column) for row, line in enumerate(grid) for column, value in enumerate(line) if value]
    if known:
        _, row, column = max(known, key=lambda cell: cell[0])
        ends = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        figure.add_shape(type="rect", **ends, line={"color": ink, "width": 3})
    figure.update_layout(height=110 + 46 * len(rows), margin={"l": 0, "r": 0, "t": 10, "b": 0})
    figure.update_xaxes(title=SCALES[across].label, type="category", showgrid=False)
    figure.update_yaxes(title=SCALES[down].label, type="category", showgrid=False)
    return figure


def along(tries: Sequence[Try], best: str) -> go.Figure:
    """Accuracy on the held-out images against the one setting that differs, whose values stand at even distances; the best run marked."""
    configs = [one.config for one in tries]
    (name,) = varied(configs)
    label = SCALES[name].label
    figure = _points(tries, [number(getattr(one.config, name)) for one in tries], best, f"{label.lower()} %{{x}}")
    values = [number(value) for value in values_of(name, configs)]
    figure.update_xaxes(title=label, type="category", categoryorder="array", categoryarray=values)
    return figure


def against_time(tries: Sequence[Try], best: str) -> go.Figure:
    """Accuracy on the held-out images against training time, the best run marked."""
    figure = _points(tries, [one.seconds for one in tries], best, "in %{x:.1f} s")
    figure.update_xaxes(title="Training time (s)", rangemode="tozero")
    return figure


def _points(tries: Sequence[Try], places: Sequence[float | str], best: str, words: str) -> go.Figure:
    """A point for each run at its place, as high as its accuracy. `words`: what its place means, for Plotly."""
    figure = go.Figure()
    figure.add_scatter(
        x=places,
        y=[100 * one.accuracy for one in tries],
        text=[shown(one.title) for one in tries],
        mode="markers",
        marker={
            "size": 10,
            "color": [RIGHT if one.title == best else AFTER for one in tries],
            "line": {"width": 1, "color": REFERENCE},
        },
        hovertemplate=f"%{{text}}<br>%{{y:.2f}} % {words}<extra></extra>",
    )
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 10, "b": 0}, showlegend=False)
    figure.update_yaxes(title="Accuracy on held-out pictures (%)")
    return figure

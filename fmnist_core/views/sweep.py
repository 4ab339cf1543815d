"""A sweep as pictures: which settings went with which accuracy, and what accuracy cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.search import SCALES
from fmnist_core.views.colours import AFTER, REFERENCE, RIGHT
from fmnist_core.views.text import shown


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


def varied(tries: Sequence[Try]) -> list[str]:
    """The settings in which the runs differ, in the order of the scales."""
    return [name for name in SCALES if len({getattr(one.config, name) for one in tries}) > 1]


def parallel(tries: Sequence[Try], ink: str) -> go.Figure:
    """A line for each run, through its settings to its accuracy; settings stand at even distances on their axes."""
    dimensions = []
    for name in varied(tries):
        values = sorted({getattr(one.config, name) for one in tries})
        dimensions.append(
            {
                "label": SCALES[name].label,
                "values": [values.index(getattr(one.config, name)) for one in tries],
                "tickvals": list(range(len(values))),
                "ticktext": [f"{value:g}" for value in values],
            }
        )
    accuracies = [100 * one.accuracy for one in tries]
    dimensions.append({"label": "Accuracy (%)", "values": accuracies, "tickformat": ".1f"})
    figure = go.Figure(
        go.Parcoords(
            dimensions=dimensions,
            line={"color": accuracies, "colorscale": [[0, "#ee7733"], [0.5, "#8c8c8c"], [1, "#3b82c4"]]},
            labelfont={"color": ink, "size": 12},
            tickfont={"color": ink, "size": 11},
            rangefont={"color": "rgba(0,0,0,0)"},
        )
    )
    figure.update_layout(height=300, margin={"l": 50, "r": 50, "t": 50, "b": 20}, paper_bgcolor="rgba(0,0,0,0)")
    return figure


def against_time(tries: Sequence[Try], best: str) -> go.Figure:
    """Accuracy on the held-out images against training time, the best run marked."""
    figure = go.Figure()
    figure.add_scatter(
        x=[one.seconds for one in tries],
        y=[100 * one.accuracy for one in tries],
        text=[shown(one.title) for one in tries],
        mode="markers",
        marker={
            "size": 10,
            "color": [RIGHT if one.title == best else AFTER for one in tries],
            "line": {"width": 1, "color": REFERENCE},
        },
        hovertemplate="%{text}<br>%{y:.2f} % in %{x:.1f} s<extra></extra>",
    )
    figure.update_layout(height=300, margin={"l": 0, "r": 0, "t": 10, "b": 0}, showlegend=False)
    figure.update_xaxes(title="Training time (s)", rangemode="tozero")
    figure.update_yaxes(title="Accuracy on held-out pictures (%)")
    return figure

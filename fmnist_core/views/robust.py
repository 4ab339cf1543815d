"""Accuracy under changes, as curves with intervals: one small chart for each kind of change."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from fmnist_core.evaluation.robustness import CHANGES, Kind
from fmnist_core.once import once
from fmnist_core.studies.robust import Robustness
from fmnist_core.views.colours import REFERENCE, RUNS


@once(64)
def robustness_curves(kind: Kind, runs: Mapping[str, Robustness]) -> go.Figure:
    """Accuracy of each run by name, unchanged and at each strength, with 95 % intervals; customdata is the strength's number."""
    change = CHANGES[kind]
    ticks = [f"{change.neutral:g}", *(f"{amount:g}" for amount in change.strengths)]
    figure = go.Figure()
    for (name, found), colour in zip(runs.items(), RUNS, strict=False):
        curve = found.curve(kind)
        accuracies = [point.accuracy for _, point in curve]
        ends = [point.interval for _, point in curve]
        figure.add_scatter(
            x=[place for place, _ in curve],
            y=accuracies,
            customdata=[place for place, _ in curve],
            name=name,
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 9},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [high - accuracy for (_, high), accuracy in zip(ends, accuracies, strict=True)],
                "arrayminus": [accuracy - low for (low, _), accuracy in zip(ends, accuracies, strict=True)],
                "thickness": 1.2,
                "width": 3,
            },
            hovertemplate="%{y:.1%}<extra>%{fullData.name}</extra>",
        )
    figure.add_hline(0.1, line={"color": REFERENCE, "dash": "dot", "width": 1})
    figure.update_layout(
        height=230,
        margin={"l": 10, "r": 10, "t": 34, "b": 10},
        title={"text": f"{change.label}, {change.unit}", "font": {"size": 14}},
        showlegend=False,
        clickmode="event+select",
        dragmode=False,
        xaxis={"tickvals": list(range(len(ticks))), "ticktext": ticks, "range": [-0.3, len(ticks) - 0.7]},
        yaxis={"tickformat": ".0%", "range": [0, 1]},
    )
    return figure

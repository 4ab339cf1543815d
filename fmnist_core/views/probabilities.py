"""Ten probabilities as curves, while something changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.data.dataset import CLASSES
from fmnist_core.views.colours import CLASS_COLOURS

LEAST = 0.02
"""A class that never gets more than this is left out."""


def probability_curves(
    amounts: Sequence[float],
    probabilities: npt.NDArray[np.float64],
    is_stranger: npt.NDArray[np.bool_],
    unit: str,
    neutral: float,
) -> go.Figure:
    """Probabilities (M, 10) over M ascending amounts; shaded where the picture is a stranger, a line where nothing changes."""
    figure = go.Figure()
    for k, name in enumerate(CLASSES):
        if probabilities[:, k].max() > LEAST:
            figure.add_scatter(
                x=list(amounts),
                y=probabilities[:, k],
                name=name,
                mode="lines+markers",
                line={"color": CLASS_COLOURS[k], "width": 2},
                marker={"size": 4},
                hovertemplate=f"{name} %{{y:.1%}}<extra></extra>",
            )
    places = np.asarray(amounts, np.float64)
    middles = (places[:-1] + places[1:]) / 2
    edges = np.concatenate([places[:1], middles, places[-1:]])
    for n in np.flatnonzero(is_stranger):
        figure.add_vrect(edges[n], edges[n + 1], fillcolor="rgba(238,119,51,0.16)", line_width=0, layer="below")
    figure.add_vline(neutral, line={"color": "#8c8c8c", "dash": "dot", "width": 1})
    figure.update_layout(
        height=260,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        hovermode="x unified",
        xaxis={"title": unit, "range": [places[0], places[-1]]},
        yaxis={"tickformat": ".0%", "range": [0, 1.02], "title": "probability"},
        legend={"orientation": "h", "y": 1.15},
    )
    return figure

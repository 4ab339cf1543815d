"""Charts of several seeds: a mean and a band around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb

from fmnist_core.data.dataset import CLASSES
from fmnist_core.views.text import shown


@dataclass(frozen=True)
class Band:
    """One figure of several runs over the same moments."""

    name: str
    """Plain text."""
    colour: str
    epochs: Sequence[float]
    values: npt.NDArray[np.float64]
    """(runs, moments) float64."""
    dash: str = "solid"


def bands(all_bands: Sequence[Band], *, axis: str, digits: int) -> go.Figure:
    """The mean over the runs as a line, one standard deviation to either side as a band, and each run as a thin line."""
    figure = go.Figure()
    for band in all_bands:
        mean = band.values.mean(axis=0)
        spread = band.values.std(axis=0, ddof=1) if len(band.values) > 1 else np.zeros_like(mean)
        name = shown(band.name)
        red, green, blue = hex_to_rgb(band.colour)
        if len(band.values) > 1:
            figure.add_scatter(
                x=[*band.epochs, *reversed(band.epochs)],
                y=[*(mean + spread), *(mean - spread)[::-1]],
                mode="lines",
                fill="toself",
                fillcolor=f"rgba({red},{green},{blue},0.22)",
                line={"width": 0},
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
            )
        for values in band.values if len(band.values) > 1 else ():
            figure.add_scatter(
                x=list(band.epochs),
                y=values,
                mode="lines",
                line={"color": band.colour, "width": 0.8, "dash": band.dash},
                opacity=0.5,
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
            )
        figure.add_scatter(
            x=list(band.epochs),
            y=mean,
            name=name,
            legendgroup=name,
            mode="lines+markers",
            line={"color": band.colour, "width": 2, "dash": band.dash},
            marker={"size": 5},
            customdata=spread,
            hovertemplate=f"%{{y:.{digits}f}} ± %{{customdata:.{digits}f}}<extra>{name}</extra>",
        )
    figure.update_yaxes(title=axis)
    figure.update_xaxes(title="Epoch", rangemode="tozero")
    return figure.update_layout(
        height=380,
        hovermode="x unified",
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yref": "container", "yanchor": "top"},
    )


def class_means(groups: Sequence[tuple[str, str, npt.NDArray[np.float64]]]) -> go.Figure:
    """Mean accuracy of each class over the seeds, with one standard deviation.

    `groups`: (name, colour, (runs, 10) float64 accuracies in percent).
    """
    figure = go.Figure()
    for name, colour, values in groups:
        spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
        mean = values.mean(axis=0)
        figure.add_scatter(
            x=mean,
            y=CLASSES,
            name=shown(name),
            mode="markers",
            marker={"color": colour, "size": 10},
            error_x={
                "array": np.minimum(spread, 100 - mean),
                "arrayminus": np.minimum(spread, mean),
                "color": colour,
                "thickness": 2,
                "width": 5,
            },
            customdata=spread,
            hovertemplate="%{y}: %{x:.1f} % ± %{customdata:.1f}<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", fixedrange=True)
    figure.update_xaxes(title="Accuracy (%)", fixedrange=True)
    return figure.update_layout(
        height=430,
        scattermode="group",
        margin={"l": 8, "r": 8, "t": 56, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yref": "container", "yanchor": "top"},
    )

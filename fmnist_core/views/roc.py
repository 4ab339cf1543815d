"""ROC curves: what is caught, against what is flagged by mistake."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.views.colours import REFERENCE


def roc_curves(
    curves: Mapping[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]], *, at: float
) -> go.Figure:
    """(false alarms, caught) of each kind, both 0 to 1; a line at the share `at` of false alarms that the flag allows."""
    figure = go.Figure()
    for name, (false_alarms, caught) in curves.items():
        figure.add_scatter(
            x=false_alarms,
            y=caught,
            name=name,
            mode="lines",
            line={"width": 1.6, "shape": "hv"},
            hovertemplate=f"{name}: %{{y:.0%}} caught at %{{x:.1%}} false alarms<extra></extra>",
        )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        name="blind",
        mode="lines",
        line={"color": REFERENCE, "dash": "dot", "width": 1},
        hoverinfo="skip",
    )
    figure.add_vline(at, line={"color": REFERENCE, "width": 1})
    figure.update_layout(
        height=460,
        margin={"l": 10, "r": 10, "t": 10, "b": 10},
        xaxis={"title": "test pictures flagged by mistake", "tickformat": ".0%", "range": [-0.01, 1]},
        legend={"orientation": "h", "y": -0.25, "font": {"size": 11}},
        yaxis={"title": "strangers flagged", "tickformat": ".0%", "range": [0, 1.02]},
    )
    return figure

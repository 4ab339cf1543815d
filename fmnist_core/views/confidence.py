"""Charts of how sure a network is: reliability diagram, accuracy against coverage. Values in, Plotly figure out."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from fmnist_core.evaluation.calibration import Coverage, Reliability
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.once import once
from fmnist_core.views.colours import AFTER, BEFORE, REFERENCE, WRONG

POINTS = 400
"""Points that a curve of 10,000 is drawn with."""


@once(32)
def reliability_diagram(
    now: Reliability, trained: Reliability | None = None, chosen: int | None = None, ink: str = "#444444"
) -> go.Figure:
    """Accuracy of each bin against confidence, with Wilson intervals; below it how many images each bin has.

    `trained`: the same before the temperature, drawn behind. `chosen`: a bin that stands out. A click on a bar selects
    its bin: its number is the point's `customdata[0]`.
    """
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    there = np.flatnonzero(now.count)
    ends = [wilson(int(now.right[b]), int(now.count[b])) for b in there]
    shares = 100 * now.accuracy[there]
    if trained is not None:
        old = np.flatnonzero(trained.count)
        figure.add_scatter(
            x=100 * trained.confidence[old],
            y=100 * trained.accuracy[old],
            name="as trained",
            mode="lines+markers",
            line={"color": BEFORE, "dash": "dot", "width": 1.5},
            hovertemplate="confidence %{x:.1f} %, right %{y:.1f} %<extra>as trained</extra>",
        )
    middles, width = 50 * (now.edges[:-1] + now.edges[1:]), 100 / len(now.count)
    opacity = [1.0 if chosen is None or b == chosen else 0.45 for b in there]
    texts = [
        (
            int(b),
            100 * now.edges[b],
            100 * now.edges[b + 1],
            int(now.right[b]),
            int(now.count[b]),
            100 * now.confidence[b],
        )
        for b in there
    ]
    hover = (
        "Confidence %{customdata[1]:.1f} to %{customdata[2]:.1f} %, mean %{customdata[5]:.1f} %<br>"
        "%{customdata[3]:,} of %{customdata[4]:,} right<extra></extra>"
    )
    figure.add_bar(
        x=middles[there],
        y=shares,
        width=0.94 * width,
        name="right",
        marker={"color": AFTER, "opacity": opacity},
        error_y={
            "array": [100 * high - share for share, (_, high) in zip(shares, ends, strict=True)],
            "arrayminus": [share - 100 * low for share, (low, _) in zip(shares, ends, strict=True)],
            "color": ink,
            "thickness": 1.2,
            "width": 2,
        },
        customdata=texts,
        hovertemplate=hover,
    )
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        name="right as often as it says",
        mode="lines",
        line={"color": REFERENCE, "width": 1},
        hoverinfo="skip",
    )
    figure.add_scatter(
        x=100 * now.confidence[there],
        y=100 * now.confidence[there],
        name="mean confidence",
        mode="markers",
        marker={"symbol": "line-ew", "size": 14, "line": {"color": WRONG, "width": 2}},
        hoverinfo="skip",
    )
    figure.add_bar(
        x=middles[there],
        y=now.count[there],
        width=0.94 * width,
        marker={"color": REFERENCE, "opacity": opacity},
        customdata=texts,
        hovertemplate=hover,
        showlegend=False,
        row=2,
        col=1,
    )
    figure.update_xaxes(range=[0, 100], fixedrange=True)
    figure.update_xaxes(title="Confidence (%)", row=2, col=1)
    figure.update_yaxes(title="Right (%)", range=[0, 102], fixedrange=True, row=1, col=1)
    figure.update_yaxes(title="Pictures", fixedrange=True, row=2, col=1)
    # room for the labels is made here: where Plotly has to find it, it draws all of this twice
    figure.update_xaxes(automargin=False)
    figure.update_yaxes(automargin=False)
    return _laid_out(figure, 460).update_layout(margin={"l": 70, "r": 14, "t": 48, "b": 56})


@once(32)
def coverage_curve(curve: Coverage, answered: int) -> go.Figure:
    """Accuracy of the answers against the share of images that is answered; a point where `answered` images are."""
    first = min(99, len(curve.coverage) - 1)  # below 100 images it jumps about
    points = np.unique(np.linspace(first, len(curve.coverage) - 1, POINTS).astype(int))
    figure = go.Figure()
    figure.add_scatter(
        x=100 * curve.coverage[points],
        y=100 * curve.accuracy[points],
        mode="lines",
        line={"color": AFTER, "width": 2},
        customdata=100 * curve.confidence[points],
        hovertemplate="%{x:.1f} % answered, %{y:.2f} % of them right<br>confidence %{customdata:.1f} % or more<extra></extra>",
        showlegend=False,
    )
    if answered:
        figure.add_scatter(
            x=[100 * curve.coverage[answered - 1]],
            y=[100 * curve.accuracy[answered - 1]],
            mode="markers",
            marker={"color": WRONG, "size": 11},
            hovertemplate="here: %{x:.1f} % answered, %{y:.2f} % right<extra></extra>",
            showlegend=False,
        )
    figure.update_xaxes(title="Answered (% of pictures)", range=[0, 101], fixedrange=True)
    figure.update_yaxes(title="Accuracy of the answers (%)", fixedrange=True)
    return _laid_out(figure, 360)


def _laid_out(figure: go.Figure, height: int) -> go.Figure:
    return figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yref": "container", "yanchor": "top"},
        clickmode="event+select",
        dragmode=False,
        bargap=0,
    )

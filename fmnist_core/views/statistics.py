"""What all pictures of a split have in common: counts, mean pictures, the distribution of pixel values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.views.colours import AFTER

CHUNK = 2_000
"""Images counted at once: `bincount` widens a chunk to eight times its size."""


@dataclass(frozen=True)
class Statistics:
    """Figures of one split."""

    class_counts: tuple[int, ...]
    """Images of each class, in the order of `CLASSES`."""
    mean_pictures: npt.NDArray[np.uint8]
    """(10, 28, 28) uint8: each pixel's mean over the images of a class, rounded."""
    pixel_counts: npt.NDArray[np.int64]
    """(256,) int64: how many pixels have the value 0, 1, …, 255."""

    @property
    def pixels(self) -> int:
        """All pixels of the split."""
        return int(self.pixel_counts.sum())

    def share(self, value: int) -> float:
        """Share of the pixels that have this value, 0 to 1."""
        return float(self.pixel_counts[value]) / self.pixels

    @property
    def mean(self) -> float:
        """Mean of all pixels, scaled to [0, 1]; the training split's is `dataset.MEAN`."""
        return float(self.pixel_counts @ np.arange(256)) / self.pixels / 255

    @property
    def std(self) -> float:
        """Standard deviation of all pixels, scaled to [0, 1]; the training split's is `dataset.STD`."""
        squares = float(self.pixel_counts @ np.arange(256) ** 2) / self.pixels / 255**2
        return float(np.sqrt(squares - self.mean**2))


def summarise(split: Split) -> Statistics:
    """Count and average the whole split, about 0.2 s for the 60,000 training images."""
    classes = range(len(CLASSES))
    means = [split.images[split.labels == label].mean(axis=0) for label in classes]  # each (28, 28)
    counts = np.zeros(256, np.int64)
    for start in range(0, len(split), CHUNK):
        counts += np.bincount(split.images[start : start + CHUNK].ravel(), minlength=256)
    return Statistics(
        class_counts=tuple(np.bincount(split.labels, minlength=len(CLASSES)).tolist()),
        mean_pictures=np.round(means).astype(np.uint8),
        pixel_counts=counts,
    )


def pixel_histogram(statistics: Statistics) -> go.Figure:
    """How often each of the 256 values occurs, on a logarithmic axis: 0 is some hundred times as frequent as most."""
    values = np.arange(256)
    figure = go.Figure(
        go.Bar(
            x=values,
            y=statistics.pixel_counts,
            marker={"color": AFTER, "line": {"width": 0}},
            customdata=np.column_stack([100 * statistics.pixel_counts / statistics.pixels, values / 255]),
            hovertemplate="value %{x} (%{customdata[1]:.3f} after ToTensor)<br>"
            "%{y:,} pixels, %{customdata[0]:.2f} %<extra></extra>",
        )
    )
    figure.update_layout(
        bargap=0,
        height=340,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        xaxis={"title": {"text": "Pixel value (0 black, 255 white)"}, "range": [-1.5, 256.5], "tick0": 0, "dtick": 32},
        yaxis={"title": {"text": "Pixels (log scale)"}, "type": "log", "dtick": 1, "exponentformat": "none"},
    )
    return figure

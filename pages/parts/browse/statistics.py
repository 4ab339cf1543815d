"""What the pictures have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from fmnist_core.data import dataset
from pages.parts import address, frame
from pages.parts.components.image_grid import image_grid

if TYPE_CHECKING:
    from fmnist_core.views.statistics import Statistics


@st.cache_data(max_entries=2, show_spinner="Counting 47 million pixels")
def _summary(split: dataset.SplitName) -> Statistics:
    from fmnist_core.views.statistics import summarise

    return summarise(dataset.load(split))


def statistics(split: dataset.Split) -> None:
    """What the pictures have in common: how many of each class, what they look like on average, which values occur."""
    from fmnist_core.views.statistics import pixel_histogram

    figures = _summary(split.name)
    words = address.SPLIT_WORDS[split.name]
    counts = figures.class_counts
    st.subheader("The mean picture of each class", anchor=False)
    if len(set(counts)) == 1:
        st.markdown(
            f"Each class has exactly {counts[0]:,} {words} pictures, so a guess is right in one case out of ten. "
            "A mean picture is the mean of each pixel: where it is sharp, the pictures of the class are alike."
        )
    addresses = [{"view": "All images", "split": split.name, "class": str(label)} for label in range(10)]
    chosen = image_grid(
        figures.mean_pictures,
        captions=[f"{name}\n{count:,}" for name, count in zip(dataset.CLASSES, counts, strict=True)],
        hovers=[
            f"{name}: the mean of {count:,} {words} pictures. Opens them."
            for name, count in zip(dataset.CLASSES, counts, strict=True)
        ],
        links=[address.link("browse", values) for values in addresses],
        cell=84,
        alt="Mean picture of each class",
        key="means",
    )
    if chosen is not None:
        st.switch_page("pages/1_browse.py", query_params=addresses[chosen])
    st.subheader("Pixel values", anchor=False)
    st.markdown(
        f"**{frame.percent(figures.share(0), 1)} of the {figures.pixels:,} pixels are 0**: the black around the clothes. "
        f"{frame.percent(figures.share(255), 1)} are 255, the brightest. Scaled to [0, 1] the mean is {figures.mean:.4f} and the "
        f"standard deviation {figures.std:.4f}"
        + (
            ": the two numbers that `Normalize` takes."
            if split.name == "train"
            else ", close to the training pictures."
        )
    )
    st.plotly_chart(pixel_histogram(figures), config={"displayModeBar": False}, key="histogram")

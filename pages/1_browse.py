"""The pictures before any network sees them: a random batch, all 70,000, and what they have in common."""

from __future__ import annotations

import streamlit as st

from fmnist_core.data import dataset
from pages.parts import controls, frame
from pages.parts.browse.all_images import all_images, matching
from pages.parts.browse.batch import batch
from pages.parts.browse.pictures import from_the_start
from pages.parts.browse.statistics import statistics
from pages.parts.runs.biographies import biographies

VIEWS = ("Batch", "All images", "Statistics", "Biographies")


def main() -> None:
    """The page."""
    frame.page(
        "Browse",
        "See what the network will see: gray pictures of 28 × 28 pixels, each with one of ten labels. Open one with a "
        "click, or with the arrow keys and Enter.",
        code=(
            dataset.load,
            dataset.epoch_order,
            dataset.batch_indices,
            batch,
            matching,
            "fmnist_core.views.pictures.sprite",
        ),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        view = controls.one_of("Show", "view", VIEWS)
        name = "test" if view == "Biographies" else controls.split_name(then=from_the_start)
    split = frame.data_or_stop(name)
    if view == "Batch":
        batch(split)
    elif view == "All images":
        all_images(split)
    elif view == "Statistics":
        statistics(split)
    else:
        biographies(split)


main()

"""What is wrong with the published pictures: copies, and labels to doubt."""

from __future__ import annotations

import streamlit as st

from fmnist_core.data import duplicates as pictures
from fmnist_core.data import label_doubts
from pages.parts import address, controls, frame
from pages.parts.data import duplicates, labels
from pages.parts.person import remember

VIEWS = ("copies", "labels")
WORDS = {"copies": "Copies", "labels": "Doubtful labels"}


def main() -> None:
    """The page."""
    frame.page(
        "Data",
        "Even a well-known data set has faults, and they are in every accuracy that is measured on it: find copies and "
        "doubtful labels, and judge for yourself.",
        code=(
            pictures.near_duplicates,
            pictures.clean_mask,
            label_doubts.thresholds,
            label_doubts.confident_classes,
            label_doubts.find_doubts,
        ),
    )
    train, test = frame.data_or_stop("train"), frame.data_or_stop("test")
    view = controls.one_of(
        "View",
        "view",
        VIEWS,
        words=WORDS,
        label_visibility="collapsed",
        then=lambda: address.put(page=None),
    )
    st.subheader(WORDS[view], anchor=False)
    if view == "copies":
        duplicates.copies(train, test)
    else:
        labels.labels(train, test)
    remember()


main()

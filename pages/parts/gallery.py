"""Pictures with what a network made of them: a random sample as the tutorial shows it, or those behind a number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.dataset import CLASSES
from fmnist_core.evaluation import Evaluation
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, frame
from pages.parts.image_grid import image_grid
from pages.parts.matrix import Cell

AT_ONCE = 20
SHOWS = ("All", "Right", "Wrong")
ORDERS = ("Surest", "Doubtful")


def gallery(result: Evaluation, images: npt.NDArray[np.uint8], selected: Cell) -> None:
    """The pictures of `selected`, or a sample where nothing is selected; a click opens one on the Image page."""
    indices = _sample(result) if selected == (None, None) else _behind(result, selected)
    if not len(indices):
        st.info("There is no such picture.", icon=":material/image_not_supported:")
        return
    predictions = result.predictions
    names = [
        (CLASSES[result.labels[i]], CLASSES[predictions[i]], float(result.probabilities[i, predictions[i]]))
        for i in indices
    ]
    image_grid(
        images[indices],
        captions=[guess if guess == true else f"{guess} ({true})" for true, guess, _ in names],
        hovers=[
            f"Test picture {i}\nTrue: {true}\nPredicted: {guess}, {100 * sure:.1f} % sure"
            for i, (true, guess, sure) in zip(indices.tolist(), names, strict=True)
        ],
        links=[f"image?split=test&index={i}" for i in indices.tolist()],
        colours=[RIGHT if guess == true else WRONG for true, guess, _ in names],
        columns=5,
        cell=84,
        alt="Test pictures with predicted and true class",
        key="gallery",
    )
    st.caption("The predicted class; where it is wrong, the true one in brackets. A click opens the picture.")


def _sample(result: Evaluation) -> npt.NDArray[np.int64]:
    """20 random pictures, fixed by `?sample=`, of all, the right or the wrong ones."""
    st.subheader("Sample predictions", anchor=False)
    number = frame.query_int("sample", 0, 0, 999_999)
    with st.container(horizontal=True, vertical_alignment="center"):
        show = address.one_of("Show", "show", SHOWS, label_visibility="collapsed")
        st.button(
            "Another sample",
            icon=":material/casino:",
            shortcut="n",
            key="another_sample",
            on_click=address.put,
            kwargs={"sample": (number + 1) % 1_000_000},
        )
    right = result.predictions == result.labels
    pools = (np.arange(len(right)), np.flatnonzero(right), np.flatnonzero(~right))
    pool = pools[SHOWS.index(show)]
    return np.random.default_rng(number).permutation(pool)[:AT_ONCE]


def _behind(result: Evaluation, selected: Cell) -> npt.NDArray[np.int64]:
    """One page of the pictures behind a cell, a row or a column of the matrix."""
    true, predicted = selected
    labels, predictions = result.labels, result.predictions
    mask = np.ones(len(labels), bool)
    if true is not None:
        mask &= labels == true
    of = int(mask.sum())
    if predicted is not None:
        mask &= predictions == predicted
    found = np.flatnonzero(mask)

    st.subheader(_words(selected, len(found), of, int((labels[found] == predictions[found]).sum())), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        order = address.one_of(
            "Order",
            "order",
            ORDERS,
            words={"Surest": "Surest first", "Doubtful": "Most doubtful first"},
            label_visibility="collapsed",
            help="By the probability that the network gives to its prediction.",
        )
        st.button(
            "Back to a sample",
            icon=":material/close:",
            key="back_to_sample",
            on_click=address.put,
            kwargs={"true": None, "predicted": None, "page": None},
        )
    page = address.page_number(max(1, -(-len(found) // AT_ONCE)))
    sure = result.probabilities[found, predictions[found]]
    ranked = found[np.argsort(-sure if order == ORDERS[0] else sure, kind="stable")]
    return ranked[(page - 1) * AT_ONCE : page * AT_ONCE]


def _words(selected: Cell, found: int, of: int, right: int) -> str:
    """The selection as a sentence: "Shirt taken for Coat: 143 of 1,000 pictures"."""
    match selected:
        case (int(true), None):
            return f"{CLASSES[true]}: {right:,} of {of:,} right"
        case (None, int(predicted)):
            return f"Predicted as {CLASSES[predicted]}: {right:,} of {found:,} right"
        case (int(true), int(predicted)) if true == predicted:
            return f"{CLASSES[true]}, recognised: {found:,} of {of:,} pictures"
        case (int(true), int(predicted)):
            return f"{CLASSES[true]} taken for {CLASSES[predicted]}: {found:,} of {of:,} pictures"
    return ""

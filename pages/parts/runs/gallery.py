"""Pictures with what a network made of them: a random sample as the tutorial shows it, or those behind a number."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.studies.subject import Subject
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, controls
from pages.parts.components.image_grid import image_grid
from pages.parts.components.matrix import Cell
from pages.parts.runs.biographies import legend, strip

AT_ONCE = 20
Shows = Literal["All", "Right", "Wrong"]
SHOWS: tuple[Shows, ...] = ("All", "Right", "Wrong")
Orders = Literal["Surest", "Doubtful"]
ORDERS: tuple[Orders, ...] = ("Surest", "Doubtful")

Positions = npt.NDArray[np.int64]
"""Places within an `Evaluation`; `Evaluation.indices` says which images of the split they are."""


def gallery(result: Evaluation, subject: Subject, selected: Cell) -> None:
    """The pictures of `selected`, or a sample where nothing is selected."""
    if selected == (None, None):
        sample(result, subject)
    else:
        behind(result, subject, selected)


def sample(result: Evaluation, subject: Subject) -> None:
    """20 random pictures, fixed by `?sample=`, of all, the right or the wrong ones."""
    st.subheader("Sample predictions", anchor=False)
    number = address.whole("sample")
    with st.container(horizontal=True, vertical_alignment="center"):
        show = controls.one_of("Show", "show", SHOWS, label_visibility="collapsed")
        st.button(
            "Another sample",
            icon=":material/casino:",
            shortcut="n",
            key="another_sample",
            on_click=address.put,
            kwargs={"sample": (number + 1) % 1_000_000},
        )
    right = result.is_right
    pools = (np.arange(len(right)), np.flatnonzero(right), np.flatnonzero(~right))
    pool = pools[SHOWS.index(show)]
    pictures(result, subject, np.random.default_rng(number).permutation(pool)[:AT_ONCE])


def behind(result: Evaluation, subject: Subject, selected: Cell) -> None:
    """The pictures behind a cell, a row or a column of the matrix, a page at a time."""
    true, predicted = selected
    of_the_class = np.ones(len(result.labels), bool) if true is None else result.labels == true
    mask = of_the_class if predicted is None else of_the_class & (result.predictions == predicted)
    found = np.flatnonzero(mask)
    st.subheader(_words(selected, len(found), int(of_the_class.sum()), int(result.is_right[found].sum())), anchor=False)
    ranked(
        result,
        subject,
        found,
        close=("Close", {"true": None, "predicted": None, "page": None}),
    )


def ranked(
    result: Evaluation,
    subject: Subject,
    found: Positions,
    *,
    first: Orders = "Surest",
    close: tuple[str, dict[str, None]] | None = None,
) -> None:
    """The pictures `found`, a page at a time, by confidence. `first`: the order unless the address names one.

    `close`: a button's words, and what it takes out of the address.
    """
    with st.container(horizontal=True, vertical_alignment="center"):
        order = controls.one_of(
            "Order",
            "order",
            (first, *(word for word in ORDERS if word != first)),
            words={"Surest": "Surest first", "Doubtful": "Most doubtful first"},
            then=lambda: address.put(page=None),
            label_visibility="collapsed",
            help="By the probability that the network gives to its prediction.",
        )
        if close:
            st.button(close[0], icon=":material/close:", key="close", on_click=address.put, kwargs=close[1])
    page = controls.page_number(max(1, -(-len(found) // AT_ONCE)))
    sure = result.confidences[found]
    by_confidence = found[np.argsort(-sure if order == "Surest" else sure, kind="stable")]
    pictures(result, subject, by_confidence[(page - 1) * AT_ONCE : page * AT_ONCE])


def pictures(result: Evaluation, subject: Subject, found: Positions) -> None:
    """The pictures `found`, each with its prediction and its biography; a click opens one on the Image page."""
    if not len(found):
        st.info("There is no such picture.", icon=":material/image_not_supported:")
        return
    indices = result.indices[found]
    names = [(CLASSES[result.labels[i]], CLASSES[result.predictions[i]], float(result.confidences[i])) for i in found]
    stories = subject.predictions
    image_grid(
        subject.images[indices],
        captions=[guess if guess == true else f"{guess} ({true})" for true, guess, _ in names],
        hovers=[
            f"Test picture {i}\nTrue: {true}\nPredicted: {guess}, {100 * sure:.1f} % sure"
            for i, (true, guess, sure) in zip(indices.tolist(), names, strict=True)
        ],
        links=[image_link(i) for i in indices.tolist()],
        colours=[RIGHT if guess == true else WRONG for true, guess, _ in names],
        strips=[strip(stories[:, i]) for i in indices.tolist()] if len(stories) > 1 else None,
        columns=5,
        cell=84,
        alt="Test pictures with predicted and true class",
        key="gallery",
    )
    if len(stories) > 1:
        legend()
    biography = (
        f" Below it the biography: what the run predicted at {len(stories)} moments from its start to its end, a colour for "
        "each class."
        if len(stories) > 1
        else ""
    )
    st.caption(
        "The predicted class; where it is wrong, the true one in brackets. A click opens the picture." + biography
    )


def image_link(index: int) -> str:
    """A test picture on the Image page, with the run and the moment that this page is about: what it says of it is shown there."""
    return address.link("image", {"split": "test", "index": index} | address.kept("run", "step"))


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

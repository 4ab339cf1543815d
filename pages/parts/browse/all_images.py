"""All 70,000 pictures, by class, by page, by index."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import dataset
from pages.parts import address, controls
from pages.parts.browse.pictures import pictures

PER_PAGE = 100


def matching(labels: npt.NDArray[np.uint8], label: int | None) -> npt.NDArray[np.int64]:
    """The indices of all images with the label, 0 to 9, or of all images, in the order of the data set."""
    return np.arange(len(labels)) if label is None else np.flatnonzero(labels == label)


def all_images(split: dataset.Split) -> None:
    """The whole split, a hundred pictures at a time."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = controls.class_choice("Class", "class", then=_class_chosen, width=190)
        last = len(split) - 1
        index = controls.optional_number(
            "Go to index",
            "index",
            high=last,
            then=partial(_show_index, split),
            placeholder=f"0 to {last:,}",
            width=190,
            help="The place in the data set, counted from 0. Opens the page that has it and marks the picture.",
        )
        indices = matching(split.labels, label)
        pages = -(-len(indices) // PER_PAGE)
        page = address.whole("page", high=pages)
        if index is not None and len(at := np.flatnonzero(indices == index)):
            page = int(at[0]) // PER_PAGE + 1
        st.pagination(pages, **address.bound("page", page, then=_page_chosen))
    first = (page - 1) * PER_PAGE
    shown = indices[first : first + PER_PAGE]
    words = address.SPLIT_WORDS[split.name]
    if label is None:
        st.markdown(f"**Index {shown[0]:,} to {shown[-1]:,}** of {len(indices):,} {words} pictures")
    else:
        st.markdown(
            f"**{first + 1:,} to {first + len(shown):,}** of {len(indices):,} {words} pictures of class {dataset.CLASSES[label]}, "
            "each with its index"
        )
    captions = [dataset.CLASSES[split.labels[i]] if label is None else f"{i:,}" for i in shown]
    marked = int(at[0]) if index is not None and len(at := np.flatnonzero(shown == index)) else None
    pictures(split, shown, captions, key="all_grid", marked=marked, cell=84)


def _class_chosen() -> None:
    address.put(page=None, index=None)


def _page_chosen() -> None:
    address.put(index=None)  # it would show its own page again


def _show_index(split: dataset.Split) -> None:
    """Show the picture asked for, even if the filter would hide it."""
    index = address.optional("index")
    address.put(page=None)
    if index is not None and address.optional("class") != split.labels[index]:
        address.put(**{"class": None})

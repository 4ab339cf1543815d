"""The pictures before any network sees them: a random batch, all 70,000, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import dataset
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.runs.biographies import biographies

if TYPE_CHECKING:
    from fmnist_core.views.statistics import Statistics

VIEWS = ("Batch", "All images", "Statistics", "Biographies")
LARGEST_BATCH = 100
PER_PAGE = 100


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
        name = "test" if view == "Biographies" else controls.split_name(then=_from_the_start)
    split = frame.data_or_stop(name)
    if view == "Batch":
        batch(split)
    elif view == "All images":
        all_images(split)
    elif view == "Statistics":
        statistics(split)
    else:
        biographies(split)


def _from_the_start() -> None:
    """Other pictures: begin at the first."""
    address.put(batch=None, page=None, index=None)


# --- A batch -------------------------------------------------------------------------------------------------------


def batch(split: dataset.Split) -> None:
    """A random batch as the tutorial shows it: by default 20 pictures in two rows, the class above each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = controls.whole_number(
            "Batch size",
            "batch_size",
            high=LARGEST_BATCH,
            then=_from_the_start,
            width=130,
            help="Pictures that the network sees between two changes of its weights. The tutorial takes 20.",
        )
        seed = controls.whole_number(
            "Seed",
            "seed",
            width=130,
            help="Fixes the shuffling: the same seed gives the same batches, here and in training.",
        )
        batches = -(-len(split) // size)
        number = controls.whole_number(
            f"Batch, 1 to {batches:,}",
            "batch",
            high=batches,
            width=150,
            help="One pass over all batches is an epoch.",
        )
        st.button(
            "Another batch",
            key="another",
            type="primary",
            icon=":material/shuffle:",
            shortcut="b",
            on_click=address.put,
            kwargs={"batch": number % batches + 1},
        )
    indices = dataset.batch_indices(len(split), size=size, seed=seed, batch=number - 1)
    labels = split.labels[indices]
    names = [dataset.CLASSES[label] for label in labels]
    _pictures(split, indices, names, key="batch_grid", columns=min(10, -(-size // 2)), cell=84)
    counts = np.bincount(labels, minlength=len(dataset.CLASSES))
    absent = [name for name, count in zip(dataset.CLASSES, counts, strict=True) if not count]
    most = dataset.CLASSES[int(counts.argmax())]
    if not absent:
        rest = "every class at least once"
    elif len(absent) <= 3:
        rest = f"no {' or '.join(absent)}"
    else:
        rest = f"none of {len(absent)} classes"
    words = f"Chance decides what is in a batch: here {counts.max()} × {most}, and {rest}."
    if split.name == "train":
        step = f"These are the pictures of step {number:,} of a training run with this batch size and seed. "
    else:
        step = "Training never sees these pictures. "
    st.caption(
        f"{step}{words} As the network takes it: {len(indices)} × 1 × 28 × 28 numbers from 0 to 1, and {len(indices)} "
        "labels from 0 to 9."
    )


# --- All images ----------------------------------------------------------------------------------------------------


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
    _pictures(split, shown, captions, key="all_grid", marked=marked, cell=84)


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


# --- Statistics ----------------------------------------------------------------------------------------------------


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


# --- The grid ------------------------------------------------------------------------------------------------------


def _pictures(
    split: dataset.Split,
    indices: npt.NDArray[np.int64],
    captions: Sequence[str],
    *,
    key: str,
    columns: int = 10,
    cell: int = 84,
    marked: int | None = None,
) -> None:
    """The pictures of these indices; one that is clicked opens on its own page."""
    words = address.SPLIT_WORDS[split.name]
    addresses = [{"split": split.name, "index": str(index)} for index in indices]
    chosen = image_grid(
        split.images[indices],
        captions=captions,
        hovers=[f"{dataset.CLASSES[split.labels[i]]}, {words} picture {i:,}" for i in indices],
        links=[address.link("image", values) for values in addresses],
        marked=marked,
        columns=columns,
        cell=cell,
        alt=f"{len(indices)} {words} pictures",
        key=key,
    )
    if chosen is not None:
        st.switch_page("pages/2_image.py", query_params=addresses[chosen])


main()

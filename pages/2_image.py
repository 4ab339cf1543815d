"""One picture for what it is: 784 numbers, and what scaling does to them."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.views.pictures import SCALES, Scale, scales
from pages.parts import address, controls, frame
from pages.parts.components.pixel_grid import pixel_grid
from pages.parts.runs.moment import moment
from pages.parts.runs.run_picker import left_out, run_in_address

SCALE_WORDS: dict[Scale, str] = {
    "tensor": "ToTensor, 0 to 1",
    "raw": "Raw, 0 to 255",
    "standardised": "Standardised",
}


def main() -> None:
    """The page."""
    frame.page(
        "Image",
        "To a network a picture is 784 numbers. Read them, and see how each scale changes the numbers but not the picture.",
        code=(dataset.load, "fmnist_core.data.dataset.tutorial_loader", scales, pixel_grid, next_of_class),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = controls.split_name(then=_keep_index)
        scale = controls.one_of("Scale", "scale", SCALES, words=SCALE_WORDS)
        split = frame.data_or_stop(name)
        index = _index(split)
    label = dataset.CLASSES[split.labels[index]]
    words = address.SPLIT_WORDS[name].capitalize()
    grid, notes = st.columns([2, 1], gap="large")
    with grid:
        st.subheader(f"{words} picture {index:,}: {label}", anchor=False)
        pixel_grid(split.images[index], scale=scale, alt=f"{words} picture {index:,}, {label}", key="pixels")
        ink = (
            "Numbers are white on dark pixels and black on light ones, so that they can be read."
            if scale == "standardised"  # where max / 2.5 is another pixel value
            else "Numbers are white below max / 2.5, else black, as in the tutorial."
        )
        st.caption(
            "The grid is drawn as `imshow` does with the gray colour map: the darkest value of the picture black, its "
            f"brightest white. {ink}"
        )
    with notes:
        over_time(split, index)
        note(scale)
        if name == "train":
            frame.page_link("network", "Follow this picture through the network", icon=":material/layers:", index=index)
        frame.page_link(
            "browse",
            "Show it among its neighbours",
            icon=":material/grid_view:",
            view="All images",
            split=name,
            index=index,
        )


def _index(split: dataset.Split) -> int:
    """The index in the address, and the ways to another one."""
    last = len(split) - 1
    index = controls.whole_number("Index", "index", high=last, width=150, help=f"From 0 to {last:,}.")
    for label, key, shortcut, to in (
        ("Previous", "previous", "left", (index - 1) % len(split)),
        ("Next", "next", "right", (index + 1) % len(split)),
        (f"Next {dataset.CLASSES[split.labels[index]]}", "next_of_class", "n", next_of_class(split, index)),
    ):
        st.button(label, key=key, shortcut=shortcut, on_click=address.put, kwargs={"index": to})
    return index


def _keep_index() -> None:
    """The same index in the other split; its last picture where it is shorter."""
    last = dataset.FILES[address.word("split", address.SPLITS), "labels"].shape[0] - 1
    address.put(index=min(address.whole("index"), last))


def next_of_class(split: dataset.Split, index: int) -> int:
    """The next picture with the label of this one; after the last, the first."""
    same = np.flatnonzero(split.labels == split.labels[index])
    return int(same[np.searchsorted(same, index, side="right") % len(same)])


def over_time(split: dataset.Split, index: int) -> None:
    """What the network of the run in the address says of this test picture, moment by moment; else the way there."""
    if split.name != "test":
        return
    if address.has("run") and (run := run_in_address()) and run.latest:
        if run.is_sealed:
            left_out([run])
            return
        st.subheader("What the network says", anchor=False)
        moment(run, image=index)
        frame.page_link(
            "inside",
            "Look inside: what made it say so",
            icon=":material/biotech:",
            split="test",
            index=index,
            run=run.id,
            **address.kept("step"),
        )
        st.caption(
            f"Network of the run {frame.plain(run.title)}. Each tick of the strip is one moment that the run kept, in "
            "the colour of the class that it predicted; underlined ticks are correct. Moments are dense at the "
            "start of training, so the strip is not to scale in time."
        )
        return
    if trained := next((run for run in client.list_runs() if run.latest and run.latest.test), None):
        frame.page_link(
            "image",
            f"What the network of {frame.plain(trained.title)} says of it, from first step to last",
            icon=":material/timeline:",
            split="test",
            index=index,
            run=trained.id,
        )


def note(scale: Scale) -> None:
    """What the chosen numbers are, and what the tutorial says of normalisation."""
    words: dict[Scale, str] = {
        "raw": "**The file** holds one byte per pixel: a whole number from 0, black, to 255, white (`uint8`).",
        "tensor": "**`ToTensor()`** divides the file’s 0 to 255 by 255. What comes out is a tensor of shape "
        "(1, 28, 28), `float32`: one gray channel, 28 rows, 28 columns, each number from 0 to 1.",
        "standardised": f"**`Normalize(({dataset.MEAN:.4f},), ({dataset.STD:.4f},))`** comes after `ToTensor`: it takes "
        f"away the mean of all training pixels, {dataset.MEAN:.4f}, and divides by their standard deviation, "
        f"{dataset.STD:.4f}. Black becomes −{dataset.MEAN / dataset.STD:.2f}, white "
        f"{(1 - dataset.MEAN) / dataset.STD:.2f}.",
    }
    with st.container(border=True):
        st.markdown(words[scale])
    st.markdown("#### Why scale at all?")
    st.markdown(
        "The picture stays the same: each scale only stretches and shifts the one before. What changes is how easily a "
        "network learns from it. Its weights begin as small numbers that suit inputs around 1; with inputs up to 255 "
        "the same learning rate would take steps that are far too long.\n\n"
        "Subtracting the mean goes further: where all inputs of a unit are positive, one step can only raise all its "
        "weights or lower them all; inputs on both sides of 0 free it from that, and learning is often faster.\n\n"
        "**The tutorial stops at `ToTensor`.** All its pixels share one range, and its network is small and learns "
        "well without more. This app starts that way too; the recipe Fast on the page Train standardises."
    )


main()

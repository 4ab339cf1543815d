"""A random batch, as training sees it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.data import dataset
from pages.parts import address, controls
from pages.parts.browse.pictures import from_the_start, pictures

LARGEST_BATCH = 100


def batch(split: dataset.Split) -> None:
    """A random batch as the tutorial shows it: by default 20 pictures in two rows, the class above each."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        size = controls.whole_number(
            "Batch size",
            "batch_size",
            high=LARGEST_BATCH,
            then=from_the_start,
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
    pictures(split, indices, names, key="batch_grid", columns=min(10, -(-size // 2)), cell=84)
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

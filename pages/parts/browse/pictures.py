"""Pictures of a split, each a link to its own page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import dataset
from pages.parts import address
from pages.parts.components.image_grid import image_grid


def pictures(
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


def from_the_start() -> None:
    """Other pictures: begin at the first."""
    address.put(batch=None, page=None, index=None)

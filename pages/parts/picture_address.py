"""Which picture a page shows, as its address says it: `?split=train&index=0`.

These two travel from page to page, so their widgets are not bound to them with `bind="query-params"`: Streamlit 1.67
drops a parameter from a link when a widget on the page that is left is bound to a parameter of that name.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from fmnist_core import dataset
from pages.parts import frame

SPLITS: tuple[dataset.SplitName, ...] = ("train", "test")
SPLIT_WORDS: dict[dataset.SplitName, str] = {"train": "training", "test": "test"}
KEY = "chosen_split"


def choose_split(on_change: Callable[[], None] | None = None) -> dataset.SplitName:
    """The control for the split. Another split has other pictures: `on_change` makes the rest of the page fit."""
    name: dataset.SplitName = frame.query_choice("split", SPLITS, "train")
    st.session_state[KEY] = name
    st.segmented_control("Split", SPLITS, required=True, key=KEY, on_change=_split_chosen, args=(on_change,))
    return name


def _split_chosen(on_change: Callable[[], None] | None) -> None:
    put(split=st.session_state[KEY])
    if on_change:
        on_change()


def put(**values: str | int | None) -> None:
    """Write into the address; None takes a parameter out."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(value)


def count(split: dataset.SplitName) -> int:
    """Images of the split, without opening it."""
    return dataset.FILES[split, "labels"].shape[0]

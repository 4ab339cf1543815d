"""Controls whose value is in the address, such as `?split=train&index=0`: a link shows the same, Back undoes a choice.

They are not bound with `bind="query-params"`, for two faults of Streamlit 1.67: a link to another page loses each
parameter that a widget of the page it leaves is bound to, and at the first load "٣" in the address becomes 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from fmnist_core.data import dataset
from pages.parts import frame

SPLITS: tuple[dataset.SplitName, ...] = ("train", "test")
SPLIT_WORDS: dict[dataset.SplitName, str] = {"train": "training", "test": "test"}

Word = TypeVar("Word", bound=str)
Default = TypeVar("Default", int, None)
Then = Callable[[], None]
"""Called after a person's choice is in the address: makes the rest of the address fit."""


def put(**values: str | float | None) -> None:
    """Write into the address; None takes a parameter out."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        else:
            word = round(value, 6) if isinstance(value, float) else value
            st.query_params[name] = str(word).lower() if isinstance(word, bool) else str(word)


def link(page: str, values: Mapping[str, str | int]) -> str:
    """The address of a page, for a link within the app.

    >>> link("image", {"split": "test", "index": 7})
    'image?split=test&index=7'
    """
    return f"{page}?{urlencode(values)}"


def kept(name: str, value: object, default: object, then: Then | None = None) -> dict[str, Any]:
    """For any widget: what makes it show `value`, read from `?name=`, and write there what a person chooses.

    `st.slider("Size", 1, 9, **kept("size", frame.query_int("size", 5, 1, 9), 5))`
    """
    key = f"chosen_{name}"
    st.session_state[key] = value
    return {"key": key, "on_change": _chosen, "args": (name, default, then)}


def whole_number(
    label: str, name: str, default: Default, low: int, high: int, *, then: Then | None = None, **looks: Any
) -> int | Default:
    """A number field for `?name=`. `looks` goes to `st.number_input`."""
    number = frame.query_int(name, default, low, high)
    start = None if default is None else "min"
    st.number_input(label, low, high, start, **kept(name, number, default, then), **looks)
    return number


def one_of(
    label: str,
    name: str,
    options: Sequence[Word],
    *,
    words: Mapping[Word, str] | None = None,
    then: Then | None = None,
    **looks: Any,
) -> Word:
    """A segmented control for `?name=`; the first option is the default. `words`: how the options are shown.

    `looks` goes to `st.segmented_control`.
    """
    word = frame.query_choice(name, options, options[0])
    shown = words or {}
    st.segmented_control(
        label,
        options,
        required=True,
        format_func=lambda option: shown.get(option, option),
        **kept(name, word, options[0], then),
        **looks,
    )
    return word


def switch(label: str, name: str, default: bool, **looks: Any) -> bool:
    """A toggle for `?name=true` or false. `looks` goes to `st.toggle`."""
    value = frame.query_flag(name, default)
    st.toggle(label, **kept(name, value, default), **looks)
    return value


def number_on_scale(label: str, name: str, scale: Sequence[float], default: float, **looks: Any) -> float:
    """A slider with the steps of `scale` for `?name=`; a value between them joins it. `looks` goes to `st.select_slider`."""
    number = frame.query_float(name, default, scale[0], scale[-1])
    st.select_slider(
        label, sorted({*scale, number}), format_func=lambda n: f"{n:g}", **kept(name, number, default), **looks
    )
    return number


def range_on_scale(
    label: str, names: tuple[str, str], scale: Sequence[float], default: tuple[float, float], **looks: Any
) -> tuple[float, float]:
    """A slider with two ends, for `?low=…&high=…`, as `number_on_scale`."""
    low, high = (
        frame.query_float(name, value, scale[0], scale[-1]) for name, value in zip(names, default, strict=True)
    )
    low, high = min(low, high), max(low, high)
    key = f"chosen_{'_'.join(names)}"
    st.session_state[key] = (low, high)

    def chosen() -> None:
        for name, value, usual in zip(names, st.session_state[key], default, strict=True):
            put(**{name: None if value == usual else value})

    options = sorted({*scale, low, high})
    ends = (low, high)  # said here too: only then has the slider two ends
    st.select_slider(label, options, ends, format_func=lambda n: f"{n:g}", key=key, on_change=chosen, **looks)
    return low, high


def page_number(pages: int) -> int:
    """Numbered pages for `?page=`, from 1; nothing is drawn where there is only one."""
    page = frame.query_int("page", 1, 1, pages)
    if pages > 1:
        st.pagination(pages, **kept("page", page, 1))
    return page


def split_name(*, then: Then | None = None) -> dataset.SplitName:
    """The control for the split."""
    return one_of("Split", "split", SPLITS, then=then)


def _chosen(name: str, default: object, then: Then | None) -> None:
    value = st.session_state[f"chosen_{name}"]
    put(**{name: None if value == default else value})
    if then:
        then()

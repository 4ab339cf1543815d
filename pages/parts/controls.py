"""Controls that are bound to the address: each shows what its parameter says, and writes there what a person chooses.

`then` is called after a choice is in the address and makes the rest of it fit; `looks` goes to the widget. A page may read
a parameter (`address.whole`, …) above the control that changes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, overload

import streamlit as st

from fmnist_core.data.dataset import CLASSES, SplitName
from fmnist_core.settings.config import SETTINGS
from fmnist_core.settings.ranges import Real, Whole, Word
from pages.parts import address, text
from pages.parts.address import SPLIT_WORDS, SPLITS, Then

OneOf = TypeVar("OneOf", bound=str)
ANY = "Any class"


def setting(name: str, *, options: Sequence[str] = (), then: Then | None = None, **looks: Any) -> Any:
    """The control of a setting of runs, with its label, its help and its range; its value.

    `options`: the words that are offered, where they are fewer. `looks` may replace label and help.
    """
    row = SETTINGS[name]
    label = looks.pop("label", row.label)
    looks = {"help": row.help, **looks}
    match row.range:
        case Whole(low, high) if row.as_slider:
            return slider(label, name, then=then, **looks)
        case Whole(low, high):
            looks["help"] = f"{looks['help']} {low:,} to {high:,}."
            return whole_number(label, name, then=then, **looks)
        case Real():
            return on_scale(label, name, row.scale, then=then, **looks)
        case Word(names):
            return select(label, name, options or tuple(names), words=names, then=then, **looks)
    return switch(label, name, then=then, **looks)


def whole_number(
    label: str,
    name: str,
    *,
    low: int | None = None,
    high: int | None = None,
    default: int | None = None,
    then: Then | None = None,
    **looks: Any,
) -> int:
    """A number field. `low`, `high`: narrower than the table's range; `default`: where the table has none."""
    number, ends = address.whole(name, low=low, high=high, default=default), address.ends(name, low, high)
    st.number_input(label, *ends, **address.bound(name, number, then=then), **looks)
    return number


def optional_number(
    label: str, name: str, *, high: int | None = None, then: Then | None = None, **looks: Any
) -> int | None:
    """A number field that may be empty."""
    number, (low, highest) = address.optional(name, high=high), address.ends(name, None, high)
    st.number_input(label, low, highest, None, **address.bound(name, number, then=then), **looks)
    return number


def whole_on_scale(label: str, name: str, scale: Sequence[int], *, then: Then | None = None, **looks: Any) -> int:
    """A slider with the steps of `scale`, as `on_scale`, for a whole number."""
    number = address.whole(name)
    options = sorted({*scale, number})
    st.select_slider(label, options, format_func="{:,}".format, **address.bound(name, number, then=then), **looks)
    return number


def slider(
    label: str, name: str, *, low: int | None = None, high: int | None = None, then: Then | None = None, **looks: Any
) -> int:
    """A slider over whole numbers; one beyond `high` makes it longer."""
    number = address.whole(name)
    low, high = address.ends(name, low, high)
    ends = min(low, number), max(high, number)
    st.slider(label, *ends, **address.bound(name, number, then=then), **looks)
    return number


def on_scale(label: str, name: str, scale: Sequence[float], *, then: Then | None = None, **looks: Any) -> float:
    """A slider with the steps of `scale`; a value between or beyond them joins it."""
    number = address.real(name)
    st.select_slider(
        label, sorted({*scale, number}), format_func=text.number, **address.bound(name, number, then=then), **looks
    )
    return number


def between_on_scale(label: str, names: tuple[str, str], scale: Sequence[float], **looks: Any) -> tuple[float, float]:
    """A slider with two ends, for `?low=…&high=…`, as `on_scale`."""
    low, high = sorted(address.real(name) for name in names)
    key = f"chosen_{'_'.join(names)}"
    st.session_state[key] = (low, high)

    def chosen() -> None:
        usual = [address.default(name) for name in names]
        pairs = zip(names, st.session_state[key], usual, strict=True)
        address.put(**{name: None if value == default else value for name, value, default in pairs})

    options = sorted({*scale, low, high})
    ends = (low, high)  # said here too: only then has the slider two ends
    st.select_slider(label, options, ends, format_func=text.number, key=key, on_change=chosen, **looks)
    return low, high


@overload
def one_of(
    label: str,
    name: str,
    options: Sequence[OneOf],
    *,
    words: Mapping[OneOf, str] | None = None,
    then: Then | None = None,
    **looks: Any,
) -> OneOf: ...
@overload
def one_of(
    label: str, name: str, *, words: Mapping[str, str] | None = None, then: Then | None = None, **looks: Any
) -> str: ...
def one_of(
    label: str,
    name: str,
    options: Sequence[Any] = (),
    *,
    words: Mapping[Any, str] | None = None,
    then: Then | None = None,
    **looks: Any,
) -> Any:
    """A segmented control over `options`, of which the first is the default; without them, over the table's words.

    `words`: how they are shown.
    """
    options = options or address.words(name)
    word, shown = address.word(name, options), words or {}
    st.segmented_control(
        label,
        options,
        required=True,
        wrap=True,
        format_func=lambda option: shown.get(option, option),
        **address.bound(name, word, default=options[0], then=then),
        **looks,
    )
    return word


def select(
    label: str,
    name: str,
    options: Sequence[OneOf],
    *,
    words: Mapping[Any, str] | None = None,
    then: Then | None = None,
    **looks: Any,
) -> OneOf:
    """A list over `options`; the first where the address says another."""
    shown = words or {}
    usual = address.default(name)
    word = address.word(name, options, default=usual if usual in options else options[0])
    st.selectbox(
        label,
        options,
        format_func=lambda option: shown.get(option, option),
        **address.bound(name, word, default=usual, then=then),
        **looks,
    )
    return word


def several(
    label: str,
    name: str,
    options: Sequence[str],
    chosen: Sequence[str],
    *,
    most: int,
    words: Mapping[str, str],
    **looks: Any,
) -> None:
    """A list of which up to `most` are `chosen`; `?name=` has them all, separated by commas, also those chosen by default."""
    if address.text(name) != ",".join(chosen):
        address.put(**{name: ",".join(chosen)})
    key = f"chosen_{name}"
    st.session_state[key] = list(chosen)

    def choose() -> None:
        address.put(**{name: ",".join(st.session_state[key])})

    st.multiselect(label, options, key=key, format_func=words.get, max_selections=most, on_change=choose, **looks)


def class_choice(label: str, name: str, *, none: str = ANY, then: Then | None = None, **looks: Any) -> int | None:
    """A list of the classes, and of what `none` says: None."""
    number = address.optional(name)
    st.selectbox(
        label,
        [None, *range(len(CLASSES))],
        format_func=lambda option: none if option is None else CLASSES[option],
        placeholder=none,  # which is what is shown of None
        **address.bound(name, number, then=then),
        **looks,
    )
    return number


def switch(label: str, name: str, *, then: Then | None = None, **looks: Any) -> bool:
    """A toggle."""
    value = address.flag(name)
    st.toggle(label, **address.bound(name, value, then=then), **looks)
    return value


def page_number(pages: int) -> int:
    """Numbered pages for `?page=`, from 1; nothing is drawn where there is only one."""
    page = address.whole("page", high=pages)
    if pages > 1:
        st.pagination(pages, **address.bound("page", page))
    return page


def split_name(*, then: Then | None = None) -> SplitName:
    """The control for the split."""
    words = {name: word.capitalize() for name, word in SPLIT_WORDS.items()}
    return one_of("Split", "split", SPLITS, words=words, then=then)

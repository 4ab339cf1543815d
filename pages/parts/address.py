"""The address is the truth of a view: `?split=train&index=0` shows the same to everybody, and Back undoes a choice.

`parameters.py` has the table of all parameters. Here they are read and written; a control is bound to one: it shows what
the address says, and writes there what a person chooses. Nothing else remembers a choice.

Controls are not bound with `bind="query-params"`, for two faults of Streamlit 1.67: a link to another page loses each
parameter that a widget of the page it leaves is bound to, and at the first load "٣" in the address becomes 3.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, overload
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Range, Whole, Word, as_text
from pages.parts import parameters, streamlit_inside
from pages.parts.text import plain

SPLITS: tuple[dataset.SplitName, ...] = ("train", "test")
SPLIT_WORDS: dict[dataset.SplitName, str] = {"train": "training", "test": "test"}
UNSEEN = 60.0
"""Seconds for which a browser may not have seen yet what was written into its address."""

OneOf = TypeVar("OneOf", bound=str)
Then = Callable[[], None]
"""Called after a person's choice is in the address: makes the rest of the address fit."""


@dataclass
class _Visit:
    """What one session knows of its address beside the address: one object, because each look into the session's state costs 10 µs."""

    page: str = ""
    """As the address names it."""
    assumed: dict[str, object] = field(default_factory=dict)
    embedding: dict[str, str] = field(default_factory=dict)
    unseen: tuple[tuple[str, ...], str, float] | None = None
    """Queries that the browser may still believe in, the one that was written last, and when, by the monotonic clock."""
    read: tuple[str, dict[str, str]] = ("", {})
    """A query as it was taken apart last."""


def _visit() -> _Visit:
    visit: _Visit = st.session_state.setdefault("address", _Visit())
    return visit


# --- The page and its address --------------------------------------------------------------------------------------


def begin(page: str) -> list[str]:
    """The first call of a page, named as in the address; what must be said about parameters that it refused.

    Whatever does not fit is taken out of the address, and old names are replaced, all of it in one entry of the history.
    """
    visit = _visit()
    visit.page, visit.assumed = page, {}
    visit.embedding = streamlit_inside.embedding() or visit.embedding
    streamlit_inside.keep_embedded(visit.embedding)
    now = parameters.with_new_names(page, _now())
    wrong = {
        row.name: row for row in parameters.of_page(page) if row.name in now and row.range.read(now[row.name]) is None
    }
    _write({name: text for name, text in now.items() if name not in wrong}, always=True)
    return [_refusal(name, now[name], row.range, row.default) for name, row in wrong.items()]


def put(**values: str | float | None) -> None:
    """Write into the address, as one entry of the history; None takes a parameter out."""
    wanted = _now()
    for name, value in values.items():
        _row(name)  # the table has all of them
        if value is None:
            wanted.pop(name, None)
        else:
            wanted[name] = as_text(value)
    _write(wanted)


def assume(values: Mapping[str, object]) -> None:
    """Let `values` stand for what the address does not say, until the page ends: a sweep that it names has settings.

    Nothing is written into the address: it would be an entry of the history that Back could not leave.
    """
    read = {name: _row(name).range.read(as_text(value)) for name, value in values.items()}
    _visit().assumed |= {name: value for name, value in read.items() if value is not None}


def _usual(name: str, otherwise: object = None, visit: _Visit | None = None) -> object:
    """What `name` is where the address says nothing: as assumed, as the caller says, or as the table has it."""
    visit = visit or _visit()
    table = parameters.named(name, visit.page).default if otherwise is None else otherwise
    return visit.assumed.get(name, table)


def put_settings(config: TrainingConfig) -> None:
    """Write all settings of a run into the address, as one entry of the history; the tutorial's are left out."""
    values = {field.name: getattr(config, field.name) for field in fields(TrainingConfig)}
    defaults = TrainingConfig()
    put(recipe=None, **{name: None if value == getattr(defaults, name) else value for name, value in values.items()})


def link(page: str, values: Mapping[str, object] | None = None) -> str:
    """The address of a page, for a link within the app; relative, so that it holds behind a base path.

    >>> link("image", {"split": "test", "index": 7})
    'image?split=test&index=7'
    """
    embedded = _visit().embedding if st.context.is_embedded else {}
    query = urlencode({**embedded, **(values or {})}, safe=",@")
    return f"{page}?{query}" if query else page or "."


def here(**changes: str | int | None) -> str:
    """The address of this page with `changes`, for a link; None takes a parameter out."""
    values = {**_now(), **{name: as_text(value) for name, value in changes.items() if value is not None}}
    kept = {name: value for name, value in values.items() if changes.get(name, "") is not None}
    return link(_visit().page, kept)


def kept(*names: str) -> dict[str, str]:
    """What the address says of `names`, for a link to a page that shall say the same."""
    now = _now()
    return {name: now[name] for name in names if name in now}


def fitting(values: Mapping[str, object]) -> dict[str, str]:
    """`values` for a link to this page: as text, without defaults and without what the table does not let in."""
    texts = {name: as_text(value) for name, value in values.items() if value != _row(name).default}
    return {name: text for name, text in texts.items() if _row(name).range.read(text) is not None}


def _row(name: str) -> parameters.Parameter:
    return parameters.named(name, _visit().page)


def _now(visit: _Visit | None = None) -> dict[str, str]:
    """The address as it is; of a repeated parameter the last one."""
    visit = visit or _visit()
    _settle(visit)
    if (query := streamlit_inside.query()) != visit.read[0] or not query:
        visit.read = query, st.query_params.to_dict()
    return dict(visit.read[1])


def _write(wanted: Mapping[str, str], *, always: bool = False) -> None:
    """Into the browser. `always`: also where nothing has changed: a link within a page does not move its address."""
    before = streamlit_inside.query()
    repeated = any(len(st.query_params.get_all(name)) > 1 for name in st.query_params)
    if not always and not repeated and wanted == st.query_params.to_dict():
        return
    st.query_params.from_dict(wanted)
    if (after := streamlit_inside.query()) != before:
        visit, now = _visit(), time.monotonic()
        seen, _, at = visit.unseen or ((), "", 0.0)
        visit.unseen = ((*(seen if now - at < UNSEEN else ()), before), after, now)


def _settle(visit: _Visit) -> None:
    """Repeat what was written last, if this request left the browser before it had seen that.

    Who moves one control and at once another sends the second request with the address of before the first one.
    """
    if visit.unseen is None:
        return
    seen, after, at = visit.unseen
    if streamlit_inside.query() == after:
        return
    visit.unseen = None
    is_late = streamlit_inside.query() in seen and time.monotonic() - at < UNSEEN
    if is_late and not streamlit_inside.came_by_history():
        st.query_params.from_dict(dict(parse_qsl(after, keep_blank_values=True)))


# --- Reading -------------------------------------------------------------------------------------------------------
#
# Each reads one parameter. What does not fit is answered by the default, said in a notice, and taken out of the address.
# `low`, `high` and `options` narrow the range of the table to what there is; `default` is for one that a page works out.


def whole(name: str, *, low: int | None = None, high: int | None = None, default: int | None = None) -> int:
    """The whole number `?name=`. Raises TypeError where neither the table nor the call has a default."""
    number = _read(name, _narrowed(name, low, high), default)
    if not isinstance(number, int):
        raise TypeError(f"{name} has no default")
    return number


def optional(name: str, *, low: int | None = None, high: int | None = None) -> int | None:
    """The whole number `?name=`, or None."""
    number = _read(name, _narrowed(name, low, high), None)
    return number if isinstance(number, int) else None


def real(name: str) -> float:
    """The number `?name=`."""
    number = _read(name, _row(name).range, None)
    assert isinstance(number, int | float)
    return float(number)


@overload
def word(name: str) -> str: ...
@overload
def word(name: str, options: Sequence[OneOf], default: OneOf | None = None) -> OneOf: ...
def word(name: str, options: Sequence[Any] = (), default: Any = None) -> Any:
    """The word `?name=`, one of `options`, of which the first is the default; without them, one of the table's."""
    options = options or words(name)
    return _read(name, Word(dict(zip(options, options, strict=True))), options[0] if default is None else default)


def flag(name: str) -> bool:
    """The switch `?name=`, true or false."""
    return _read(name, _row(name).range, None) is True


def text(name: str) -> str:
    """The text `?name=`, such as the id of a run; "" where there is none."""
    return str(_read(name, _row(name).range, None) or "")


def items(name: str) -> list[str]:
    """What `?name=` lists, separated by commas, each once."""
    return list(dict.fromkeys(filter(None, text(name).split(","))))


def has(name: str) -> bool:
    """Whether the address says anything of `name`."""
    return _row(name).name in _now()


def settings() -> dict[str, Any]:
    """All settings of a run, as the address says them."""
    visit = _visit()
    return {name: _read(name, row.range, None, visit) for name, row in SETTINGS.items()}


def default(name: str) -> object:
    """What `name` is where the address says nothing."""
    return _usual(name)


def words(name: str) -> tuple[str, ...]:
    """The words of a parameter that has a few, its default first."""
    range_, usual = _row(name).range, str(_row(name).default)
    assert isinstance(range_, Word)
    return (usual, *(word for word in range_.names if word != usual))


def ends(name: str, low: int | None = None, high: int | None = None) -> tuple[int, int]:
    """The lowest and the highest number of `name`, narrowed to `low` and `high`."""
    range_ = _narrowed(name, low, high)
    return range_.low, range_.high


def _narrowed(name: str, low: int | None, high: int | None) -> Whole:
    table = _row(name).range
    assert isinstance(table, Whole)
    return Whole(
        table.low if low is None else max(low, table.low), table.high if high is None else min(high, table.high)
    )


def _read(name: str, range_: Range, usual: object, visit: _Visit | None = None) -> object:
    visit = visit or _visit()
    raw = _now(visit).get(name)
    default = _usual(name, usual, visit)
    if raw is None:
        return default
    if (value := range_.read(raw)) is not None:
        return value
    put(**{name: None})
    st.warning(_refusal(name, raw, range_, default), icon=":material/link_off:")
    return default


def _refusal(name: str, raw: str, range_: Range, default: object) -> str:
    shown = raw if len(raw) <= 40 else f"{raw[:40]}…"
    wanted = "one of those listed" if isinstance(range_, Word) and len(range_.names) > 9 else range_.wanted
    used = "" if default in (None, "") else f" This page shows **{plain(as_text(default))}**."
    return f"The address says {name} = “{plain(shown)}”, but it must be {wanted}.{used}"


# --- Controls ------------------------------------------------------------------------------------------------------


def bound(name: str, value: object, *, default: object = None, then: Then | None = None) -> dict[str, Any]:
    """For any widget: what makes it show `value`, read from `?name=`, and write there what a person chooses.

    `st.slider("Size", 1, 9, **bound("size", whole("size")))`. `default`: the value that the address leaves out, where it
    is not the table's.

    The value goes through the session's state: a browser keeps what a widget stood at, and takes another value from the
    server only this way. Where it stands there already it is not set again: the browser would take it over the keys that
    were pressed meanwhile.
    """
    key = f"chosen_{name}"
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    return {"key": key, "on_change": _chosen, "args": (name, _usual(name, default), then)}


def _chosen(name: str, default: object, then: Then | None) -> None:
    value = st.session_state[f"chosen_{name}"]
    put(**{name: None if value == default else value})
    if then:
        then()

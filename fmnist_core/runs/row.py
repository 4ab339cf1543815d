"""A run as a row of the index: two lines of JSON, the run, and what was measured of it before its last measurement.

A list of a thousand runs shows the last measurement of each: the others are most of the text, and are read once somebody
asks for them.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import overload

from fmnist_core.files import to_json as strict_json
from fmnist_core.runs.files.format import event_from, values_of
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Moment, Run, State
from fmnist_core.settings import jobs
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Measured

EVENT_LISTS = ("planned", "changes")
"""What a run remembers of its events as they were, beside its measurements."""


def run_to_json(run: Run) -> str:
    """All that is known of a run."""
    values = {field.name: getattr(run, field.name) for field in fields(run)}
    for name in EVENT_LISTS:
        values[name] = [_told(event) for event in values[name]]
    measured = [_told(event) for event in run.measured]
    before = strict_json(measured[:-1])
    values["measured"] = {"last": measured[-1:], "count": len(measured), "crc": _crc(len(measured), before)}
    values |= {"config": run.config.to_dict(), "job": jobs.to_dict(run.job) if run.job else None}
    values["group"] = run.group.to_dict() if run.group else None
    return f"{strict_json(values)}\n{before}"


def run_from_json(row: str) -> Run:
    """Back from a row. Raises ValueError, KeyError or TypeError for one that is damaged."""
    end = row.index("\n")
    values = json.loads(row[:end])
    measured = values["measured"]
    if _crc(measured["count"], row[end + 1 :]) != measured["crc"]:
        raise ValueError("what was measured is not what was written")
    values["config"] = TrainingConfig.from_dict(values["config"])
    values["job"] = jobs.from_dict(values.get("job"))
    values["state"] = State(values["state"])
    values["parent"] = Moment(*values["parent"]) if values["parent"] else None
    values["group"] = Group.read(values["group"], values["name"])
    values["pauses"] = tuple(values["pauses"])
    for name in EVENT_LISTS:
        values[name] = tuple(event_from(event) for event in values[name])
    values["measured"] = Kept(tuple(map(_measured, measured["last"])), measured["count"], row)
    return Run(**values)


class Kept(Sequence[Measured]):
    """The measurements of a row: the last is read already, those before it when they are asked for."""

    def __init__(self, last: tuple[Measured, ...], count: int, row: str) -> None:
        if len(last) != min(count, 1):
            raise ValueError(f"{count} measurements, the last of which are {len(last)}")
        self._last, self._count, self._row = last, count, row
        self._all: tuple[Measured, ...] | None = last if count <= 1 else None

    @property
    def all(self) -> tuple[Measured, ...]:
        """All of them."""
        if self._all is None:
            before = map(_measured, json.loads(self._row[self._row.index("\n") + 1 :]))
            self._all = (*before, *self._last)
        return self._all

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Measured: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Measured, ...]: ...
    def __getitem__(self, at: int | slice) -> Measured | tuple[Measured, ...]:
        if self._last and at == -1:
            return self._last[0]
        return self.all[at]

    def __iter__(self) -> Iterator[Measured]:
        return iter(self.all)

    def __eq__(self, other: object) -> bool:
        return tuple(self) == tuple(other) if isinstance(other, (Kept, tuple)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.all)

    def __repr__(self) -> str:
        return repr(self.all)

    def __reduce__(self) -> tuple[type[tuple[Measured, ...]], tuple[tuple[Measured, ...]]]:
        return tuple, (self.all,)


def _measured(told: dict[str, object]) -> Measured:
    event = event_from(told)
    if not isinstance(event, Measured):
        raise ValueError(f"not a measurement: {told!r:.80}")  # noqa: TRY004 - as all that is wrong with a row
    return event


def _told(event: object) -> dict[str, object]:
    return {"event": type(event).__name__} | values_of(event)  # type: ignore[arg-type]


def _crc(count: int, before: str) -> int:
    return zlib.crc32(f"{count} {before}".encode())

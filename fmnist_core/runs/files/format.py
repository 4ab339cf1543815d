"""How a run is written down and read back: the lines of events.jsonl, and config.json.

Both files are strict JSON and carry the version of their format; what an older version of this program wrote is read
through a short list of named migrations, what a newer one wrote is refused and left alone. Each value is held against its
type and its range, so that nothing that was read can surprise anybody later.
"""

from __future__ import annotations

import json
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np

from fmnist_core.evaluation.score import Score
from fmnist_core.files import Unreadable, read_json
from fmnist_core.files import to_json as strict_json
from fmnist_core.runs.files.record import (
    Claimed,
    Died,
    Failed,
    Finished,
    Interrupted,
    Moment,
    Paused,
    Resumed,
    RunEvent,
    Stopped,
)
from fmnist_core.settings import jobs
from fmnist_core.settings.config import HIGHEST_LEARNING_RATE
from fmnist_core.training.events import (
    Changed,
    CopiesMeasured,
    CopyLosses,
    Diverged,
    Engine,
    Losses,
    Measured,
    Slowed,
    Started,
)

CONFIG_VERSION, EVENT_VERSION = 2, 2

MOST_STEPS, MOST_EPOCHS = 12_000_000, 200
"""Of the longest run that settings allow: 200 epochs of 60,000 steps."""
MOST_SECONDS = 1e9
LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


class Newer(Unreadable):
    """Written by a newer version of this program: to be left alone."""


# --- Values --------------------------------------------------------------------------------------------------------

Check = Callable[[Any], Any]
"""Gives the value as Python has it. Raises ValueError for one that does not fit."""

NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""Numbers that strict JSON does not have, spelled as Protocol Buffers spell them in JSON."""


def whole(low: int, high: int) -> Check:
    """A whole number in a range."""

    def check(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low:,} to {high:,}, got {value!r:.40}")
        return value

    return check


def number(low: float, high: float) -> Check:
    """A finite number in a range."""

    def check(value: object) -> float:
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            raise ValueError(f"must be a number from {low:g} to {high:g}, got {value!r:.40}")
        return value  # type: ignore[return-value]

    return check


def text(most: int) -> Check:
    """Characters, so many at most."""

    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) > most:
            raise ValueError(f"must be text of at most {most:,} characters, got {value!r:.40}")
        return value.encode("utf-8", "replace").decode()  # half a surrogate pair fits into no index and no answer

    return check


def one_of(*words: str) -> Check:
    """One of a few words."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {', '.join(words)}, got {value!r:.40}")
        return value

    return check


def truth(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, got {value!r:.40}")  # noqa: TRY004 - as all checks here
    return value


def loss(value: object) -> float:
    """A number, or the word for one that is not finite."""
    if isinstance(value, str) and value in NOT_FINITE:
        return NOT_FINITE[value]
    return float(_ANY_NUMBER(value))


_ANY_NUMBER = number(-sys.float_info.max, sys.float_info.max)


def losses(value: object) -> tuple[float, ...]:
    """Float32 numbers, all finite."""
    if not isinstance(value, list) or not set(map(type, value)) <= {int, float}:
        raise ValueError(f"must be a list of numbers, got {value!r:.40}")
    if (value and not -LARGEST_FLOAT32 <= min(value) <= max(value) <= LARGEST_FLOAT32) or any(map(math.isnan, value)):
        raise ValueError("must be numbers that float32 has")
    return tuple(value)


def rows(value: object) -> tuple[tuple[float | None, ...], ...]:
    """A row of losses for each step, all as long: one of each copy, null for those that are out."""
    if not isinstance(value, list) or not all(isinstance(row, list) for row in value):
        raise ValueError(f"must be a list of rows, got {value!r:.40}")
    if len({len(row) for row in value}) > 1 or any(len(row) > jobs.LARGEST_RACE for row in value):
        raise ValueError(f"must be rows of one length, at most {jobs.LARGEST_RACE}")
    for row in value:
        losses([number for number in row if number is not None])
    return tuple(map(tuple, value))


def shares(value: object) -> tuple[float | None, ...]:
    """A number from 0 to 1 of each copy, null for those that are out."""
    if not isinstance(value, list) or len(value) > jobs.LARGEST_RACE:
        raise ValueError(f"must be a list of at most {jobs.LARGEST_RACE} numbers, got {value!r:.40}")
    return tuple(None if share is None else number(0, 1)(share) for share in value)


def score(value: object) -> Score:
    """Loss, and images by class."""
    if not isinstance(value, dict) or value.keys() != {"loss", "correct", "total"}:
        raise ValueError(f"must have loss, correct and total, got {value!r:.40}")
    correct, total = value["correct"], value["total"]
    for name, counts in (("correct", correct), ("total", total)):
        if not isinstance(counts, list) or len(counts) != 10:
            raise ValueError(f"must have ten numbers as {name}, got {counts!r:.40}")
        if set(map(type, counts)) != {int} or min(counts) < 0 or max(counts) > 60_000:
            raise ValueError(f"must have whole numbers from 0 to 60,000 as {name}, got {counts!r:.80}")
    if not any(total) or any(map(operator.gt, correct, total)):
        raise ValueError(f"must count images, and no more right ones than there are, got {value!r:.80}")
    return Score(loss(value["loss"]), tuple(correct), tuple(total))


# --- Events --------------------------------------------------------------------------------------------------------

_STEP, _SECONDS, _REASON = whole(0, MOST_STEPS), number(0, MOST_SECONDS), text(10_000)
_THREADS, _EPOCH = whole(0, 100_000), number(0, MOST_EPOCHS)
_RATE, _MOMENTUM = number(0, HIGHEST_LEARNING_RATE), number(0, 1)

FIELDS: dict[type[RunEvent], dict[str, Check]] = {
    Started: {
        "step": _STEP,
        "steps": _STEP,
        "steps_per_epoch": whole(1, 60_000),
        "device": text(40),
        "threads": _THREADS,
        "parameters": whole(0, 10**12),
        "engine": one_of(*get_args(Engine)),
        "card": text(200),
        "library": text(40),
    },
    Losses: {"step": _STEP, "losses": losses, "seconds": _SECONDS},
    Measured: {
        "step": _STEP,
        "epoch": _EPOCH,
        "seconds": _SECONDS,
        "test": score,
        "train": score,
        "validation": score,
    },
    Diverged: {"step": _STEP, "loss": loss, "learning_rate": _RATE, "measured": truth},
    Slowed: {"step": _STEP, "threads": _THREADS},
    CopyLosses: {"step": _STEP, "losses": rows, "seconds": _SECONDS},
    CopiesMeasured: {"step": _STEP, "epoch": _EPOCH, "seconds": _SECONDS, "accuracy": shares},
    Changed: {"step": _STEP, "learning_rate": _RATE, "momentum": _MOMENTUM, "request": text(80)},
    Claimed: {"pid": whole(1, 2**31)},
    Died: {"reason": _REASON},
    Interrupted: {"step": _STEP},
    Paused: {"step": _STEP, "reason": _REASON},
    Resumed: {},
    Stopped: {"step": _STEP},
    Finished: {"step": _STEP},
    Failed: {"reason": _REASON},
}
"""What each event tells."""

KINDS = {kind.__name__: kind for kind in FIELDS}
_REQUIRED = {kind: {field.name for field in fields(kind) if field.default is MISSING} for kind in FIELDS}


def to_json(event: RunEvent) -> str:
    """One line of `events.jsonl`, without the line end."""
    return strict_json({"event": type(event).__name__, "v": EVENT_VERSION} | values_of(event))


def values_of(event: RunEvent) -> dict[str, object]:
    """What it tells, as JSON has it."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    for name, value in values.items():
        if isinstance(value, Score):
            values[name] = asdict(value) | {"loss": _spelled(value.loss)}
    if values.get("validation", "") is None:  # nothing was held out
        del values["validation"]
    if isinstance(event, Diverged):
        values["loss"] = _spelled(event.loss)
    return values


def _spelled(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_json(line: str | bytes) -> RunEvent:
    """Back from a line. Raises ValueError, which says what is wrong with it, and Newer."""
    try:
        values = json.loads(line.decode() if isinstance(line, bytes) else line)
    except RecursionError as error:
        raise ValueError("too many brackets within each other") from error
    if not isinstance(values, dict):
        raise ValueError(f"not an event: {line[:80]!r}")  # noqa: TRY004 - whatever is wrong with a line
    return event_from(_up_to_date(values, "v", EVENT_VERSION, EVENT_MIGRATIONS, "An event"))


def event_from(values: Mapping[str, object]) -> RunEvent:
    """The event that these values tell, of the present version. Raises ValueError."""
    name = values.get("event")
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"not an event: {name!r:.40}")
    kind, told = KINDS[name], {key: value for key, value in values.items() if key != "event"}
    checks = FIELDS[kind]
    if unknown := told.keys() - checks.keys():
        raise ValueError(f"{name} has no {min(unknown)!r:.40}")
    if missing := _REQUIRED[kind] - told.keys():
        raise ValueError(f"{name} has to tell {min(missing)}")
    for key, value in told.items():
        try:
            told[key] = checks[key](value)
        except ValueError as error:
            raise ValueError(f"{key} {error}") from error
    return kind(**told)  # type: ignore[arg-type]


# --- config.json ---------------------------------------------------------------------------------------------------


def read_config(path: Path) -> dict[str, Any]:
    """What `config.json` holds, in the present version. Raises Unreadable, Newer, OSError."""
    wanted = read_json(path)
    if not isinstance(wanted, dict):
        raise Unreadable(f"{path} holds no settings of a run.")
    return _up_to_date(wanted, "version", CONFIG_VERSION, CONFIG_MIGRATIONS, str(path))


CONFIG: dict[str, Check] = {
    "name": text(10_000),
    "note": text(100_000),
    "sequence": whole(0, 10**12),
    "order": number(-1e15, 1e15),
    "owner": text(1_000),
    "owner_id": text(100),
    "edits": text(3_000),
    "parent_engine": one_of(*get_args(Engine)),
}
"""Values of `config.json` that are taken as they are."""


def is_time(value: object) -> str:
    """A time in ISO 8601."""
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError(f"must be a time, got {value!r:.40}")
    datetime.fromisoformat(value)
    return value


def moment(value: object) -> Moment | None:
    """A run's id and a step of it, or null."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not re.fullmatch(r"[0-9a-f]{12}", str(value[0])):
        raise ValueError(f"parent must be a run and a step, got {value!r:.40}")
    return Moment(str(value[0]), _STEP(value[1]))


def planned(value: object) -> tuple[Changed, ...]:
    """Changes that a branch repeats."""
    if not isinstance(value, list) or not all(isinstance(change, list) and len(change) == 3 for change in value):
        raise ValueError(f"must be a list of changes, got {value!r:.40}")
    return tuple(Changed(_STEP(step), _RATE(rate), _MOMENTUM(share)) for step, rate, share in value)


# --- Versions ------------------------------------------------------------------------------------------------------

Values = dict[str, Any]


def spell_out_what_is_not_finite(values: Values) -> Values:
    """Until version 1 a loss that is no number stood there as NaN, which is no JSON."""
    spelled = dict(values)
    if isinstance(loss := values.get("loss"), float):
        spelled["loss"] = _spelled(loss)
    for name in ("test", "train", "validation"):
        if isinstance(part := values.get(name), dict) and isinstance(loss := part.get("loss"), float):
            spelled[name] = part | {"loss": _spelled(loss)}
    return spelled


def name_the_engine_of_the_parent(values: Values) -> Values:
    """Until version 1 `engine` said what a branch's parent trained with, and "torch" for every other run."""
    renamed = {name: value for name, value in values.items() if name != "engine"}
    return renamed | ({"parent_engine": values["engine"]} if values.get("parent") and "engine" in values else {})


EVENT_MIGRATIONS: list[Callable[[Values], Values]] = [spell_out_what_is_not_finite]
CONFIG_MIGRATIONS: list[Callable[[Values], Values]] = [name_the_engine_of_the_parent]
"""The first makes version 2 of version 1, which carries no number."""


def _up_to_date(
    values: Values, key: str, newest: int, migrations: list[Callable[[Values], Values]], what: str
) -> Values:
    version = values.pop(key, 1)
    if type(version) is not int or version < 1:
        raise Unreadable(f"{what} has no version that is known: {version!r:.40}.")
    if version > newest:
        raise Newer(f"{what} was written by a newer version of Fashion-MNIST Lab (format {version}): use that one.")
    for migrate in migrations[version - 1 :]:
        values = migrate(values)
    return values

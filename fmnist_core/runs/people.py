"""Who acts, and what they may do: everybody everything on a laptop; in a class, learners with their own runs only.

Whoever knows who acts says so: a page through `asked_by`, a route through `acting_as`. Everybody else, such as a terminal
on the server, is a teacher. The door (`client`) asks here; no page decides what somebody may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fmnist_core.files import read_json, to_json, write_whole
from fmnist_core.runs.files.record import Run, State

Role = Literal["learner", "teacher"]
Others = Literal["all", "finished", "none"]
"""Whose runs a learner sees beside their own: everybody's; everybody's once a run of their own has finished; nobody's."""

SETTINGS = ".class.json"
"""In the runs folder: what a teacher has decided for the class."""


@dataclass(frozen=True)
class Person:
    """Somebody who uses this program."""

    id: str
    """Tells two people of one name apart; empty for a terminal."""
    name: str
    """As they call themselves: show it as text."""
    role: Role = "learner"


TERMINAL = Person("", "", "teacher")
"""Who can read the runs folder without us."""

_acting: ContextVar[Person | None] = ContextVar("acting", default=None)
_asked: list[Callable[[], Person | None]] = []


def current() -> Person:
    """Who acts now."""
    if (person := _acting.get()) is not None:
        return person
    return next((person for ask in _asked if (person := ask()) is not None), TERMINAL)


def asked_by(ask: Callable[[], Person | None]) -> None:
    """Have `ask` tell who acts, wherever it knows; called once by whatever shows pages."""
    _asked[:] = [ask]


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """What happens within is done by `person`."""
    token = _acting.set(person)
    try:
        yield
    finally:
        _acting.reset(token)


# --- What somebody may ---------------------------------------------------------------------------------------------


def is_own(run: Run, person: Person) -> bool:
    """Whether `person` started it. Runs from before people had an id know only the name."""
    return run.owner_id == person.id if run.owner_id else run.owner == person.name


def may_change(run: Run, person: Person) -> bool:
    """Whether they may steer, rename, annotate and delete it: teachers every run, learners their own."""
    return person.role == "teacher" or is_own(run, person)


def sees_all(person: Person, runs: Path, everything: Callable[[], Sequence[Run]]) -> bool:
    """Whether `person` may see everybody's runs. `everything`: all of them, asked only where it matters."""
    if person.role == "teacher" or (others := others_shown(runs)) == "all":
        return True
    return others == "finished" and any(run.state is State.FINISHED and is_own(run, person) for run in everything())


def seen_by(person: Person, runs: Path, found: Iterable[Run], everything: Callable[[], Sequence[Run]]) -> list[Run]:
    """Those of the runs that `person` may see. `everything`: as `sees_all` asks for it."""
    found = list(found)
    return found if sees_all(person, runs, everything) else [run for run in found if is_own(run, person)]


def others_shown(runs: Path) -> Others:
    """What the teacher has decided; everybody's runs until then."""
    try:
        settings = read_json(runs / SETTINGS)
    except (OSError, ValueError):
        return "all"
    said = settings.get("others") if isinstance(settings, dict) else None
    return next((others for others in get_args(Others) if others == said), "all")


def show_others(runs: Path, others: Others) -> None:
    """Decide it for the class. Raises PermissionError for a learner, ValueError for another word, OSError."""
    if current().role != "teacher":
        raise PermissionError("Only a teacher decides that.")
    if others not in get_args(Others):
        raise ValueError(f"others must be one of {', '.join(get_args(Others))}, got {others!r}")
    write_whole(runs / SETTINGS, to_json({"others": others}).encode(), by_several=True)

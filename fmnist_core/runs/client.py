"""What pages call. Quick, without torch; nothing is kept in memory between two calls."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from fmnist_core.files import Unreadable, explain, make_folder, parse
from fmnist_core.runs import people
from fmnist_core.runs import trouble as trouble_of
from fmnist_core.runs.bell import INDEX_DAMAGED, ensure_dispatcher, ring
from fmnist_core.runs.bell import runs_folder as runs_folder
from fmnist_core.runs.branching import RunRefused as RunRefused
from fmnist_core.runs.branching import check, edited_weights
from fmnist_core.runs.files.folder import RunFolder, is_run_id
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Moment
from fmnist_core.runs.files.record import Run as Run
from fmnist_core.runs.files.record import State as State
from fmnist_core.runs.files.requests import Request
from fmnist_core.runs.index import IndexReader
from fmnist_core.runs.queue import ANY, MOST_WAITING, Waiting, expectations, in_order, moved
from fmnist_core.runs.sealed import as_seen, folder_as_seen
from fmnist_core.runs.text import lines, one_line
from fmnist_core.runs.trouble import LEAST_FREE as LEAST_FREE
from fmnist_core.runs.trouble import refusal
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Job
from fmnist_core.training.events import Changed

NAME_LENGTH = 80
NOTE_LENGTH = 2000
"""Characters of a name and of a note; what is longer is cut."""

T = TypeVar("T")


class RunNotFound(LookupError):
    """There is no such run. The message is meant for the page."""


def list_runs() -> list[Run]:
    """All runs, newest first, as they may be seen; jobs, such as races, are no runs."""
    return _seen(run for run in _list() if run.job is None)


def list_jobs(kind: type[Job]) -> list[Run]:
    """All jobs of one kind, newest first."""
    return _seen(run for run in _list() if isinstance(run.job, kind))


def _seen(found: Iterable[Run]) -> list[Run]:
    """Those of the runs that whoever acts may see."""
    return people.seen_by(people.current(), runs_folder(), found, _list)


def sees_all() -> bool:
    """Whether whoever acts may see everybody's runs."""
    return people.sees_all(people.current(), runs_folder(), _list)


def _list() -> list[Run]:
    ensure_dispatcher()
    runs = runs_folder()
    indexed = _from_index(IndexReader.runs) or []
    found = {run.id: _up_to_date(run, offset, RunFolder(runs / run.id)) for run, offset in indexed}
    try:
        ids = {entry.name for entry in os.scandir(runs) if is_run_id(entry.name) and not entry.is_symlink()}
    except OSError:
        ids = set()
    for run_id in ids:
        if run_id not in found and (run := _from_folder(RunFolder(runs / run_id))):
            found[run_id] = run  # too new for the index, or there is no index
    listed = as_seen(runs, (run for run in found.values() if run.id in ids))
    return sorted(listed, key=lambda run: run.sequence, reverse=True)


def get(run_id: str) -> Run:
    """The run of that id, as it may be seen. Raises RunNotFound."""
    run = _get(run_id)
    if not _seen([run]):
        raise RunNotFound("This run belongs to somebody else: your teacher has decided who sees it.")
    return run


def _get(run_id: str) -> Run:
    ensure_dispatcher()
    runs = runs_folder()
    if not is_run_id(run_id) or not (run_folder := RunFolder(runs / run_id)).has_file():
        raise RunNotFound("No such run. It may have been deleted, or the address is incomplete.")
    indexed = _from_index(lambda index: index.run(run_id))
    run = _up_to_date(*indexed, run_folder) if indexed else _from_folder(run_folder)
    if run is None:
        raise RunNotFound("No such run: its folder holds no settings that can be read.")
    return as_seen(runs, [run])[0]


def folder(run_id: str) -> RunFolder:
    """The run's files, as they may be seen. Raises RunNotFound."""
    path = RunFolder(runs_folder() / run_id) if is_run_id(run_id) else None
    if path is None or not path.has_file():
        raise RunNotFound("No such run. It may have been deleted, or the address is incomplete.")
    if people.current().role == "learner":
        get(run_id)
    return folder_as_seen(path)


def queue() -> list[Waiting]:
    """The runs that wait, the next one first, each with its place and expected start."""
    runs = _list()
    waiting = [run for run in runs if run.state is State.QUEUED and not run.stopping]
    active = [run for run in runs if run.state in (State.STARTING, State.RUNNING)]
    slots = len(_fact("slots", [ANY]))
    expected = expectations(in_order(waiting, _fact("served", {})), active, runs, slots)
    seen = {run.id for run in _seen(waiting.run for waiting in expected)}
    return [waiting for waiting in expected if waiting.run.id in seen]


def _fact(name: str, otherwise: T) -> T:
    """What the dispatcher has told of itself."""
    try:
        fact: str | None = _from_index(lambda index: index.fact(name))
        found = parse(fact or "null")
    except (ValueError, TypeError):
        return otherwise
    return found if found and isinstance(found, type(otherwise)) else otherwise


def devices() -> tuple[str, ...]:
    """What runs can compute on, the fastest first, such as ("cuda", "cpu")."""
    ensure_dispatcher()
    return tuple(map(str, _fact("devices", ["cpu"])))


def _from_index(read: Callable[[IndexReader], T]) -> T | None:
    """What `read` finds in the index; None where it cannot be read."""
    runs = runs_folder()
    try:
        with IndexReader(runs) as index:
            return read(index)
    except sqlite3.OperationalError:  # not there yet, or locked
        return None
    except sqlite3.DatabaseError:
        ring(runs, INDEX_DAMAGED)
        return None


def _from_folder(run_folder: RunFolder) -> Run | None:
    try:
        return _up_to_date(run_folder.run(), 0, run_folder)
    except (OSError, ValueError):
        return None


def _up_to_date(run: Run, offset: int, run_folder: RunFolder) -> Run:
    """With what the index has not heard yet, and cannot on a full disk, and with what was asked for."""
    with contextlib.suppress(OSError, ValueError):  # deleted just now: the index remembers it for a moment
        run = run_folder.relabelled(run)
    if run.state.is_final:
        return run
    try:
        if news := list(run_folder.events(offset)):
            run = replace(run.apply_all(news), stalled=False)
    except (OSError, ValueError) as error:  # as the dispatcher sees it: failed, and nothing of that is recorded
        run = replace(run, state=State.FAILED, reason=explain(error), fault=explain(error))
    is_over = run.state.is_final
    return replace(
        run,
        stopping=not is_over and run_folder.is_asked("stop"),
        pausing=not is_over and run_folder.is_asked("pause"),
        changing=not is_over and bool(run_folder.changes_asked()),
    )


def unreadable() -> dict[str, str]:
    """Folders with the name of a run whose settings cannot be read, and why: a sentence each."""
    return trouble_of.unreadable(runs_folder())


def trouble(patience: float = 0.0) -> str | None:
    """Whatever keeps runs from starting: a sentence; None where nothing does.

    `patience`: seconds to wait for a dispatcher that is on its way.
    """
    ensure_dispatcher()
    return trouble_of.in_all(runs_folder(), patience)


# --- Doing ---------------------------------------------------------------------------------------------------------


def start(
    config: TrainingConfig,
    name: str = "",
    *,
    owner: str = "",
    parent: Moment | None = None,
    group: Group | None = None,
    job: Job | None = None,
) -> str:
    """Put a run, or a job, into the queue and return its id. Raises RunRefused.

    `owner`: the anonymous name of the browser that asks; the queue is fair between owners. `group`: the runs that
    it belongs to. `parent`: the run and step whose checkpoint it starts from, as `branch` checks it.
    """
    return _create(config, name, owner=owner, group=group, parent=parent, job=job)


def branch(
    run_id: str, step: int, config: TrainingConfig | None = None, name: str = "", *, owner: str = "", edits: str = ""
) -> str:
    """Go on from a checkpoint of any run, after `step` steps, as a run of its own, and return its id.

    `config`: other settings than the parent's at that step (`Run.config_at`). A branch that changes nothing repeats
    what was changed in the parent later, and so lies exactly over it. A branch of a sweep's run stays with the sweep, so that
    it is as sealed as its parent. `edits`: changes by hand to its first weights (`inside/edits.py`). Raises RunNotFound,
    RunRefused with a sentence.
    """
    parent = get(run_id)
    config = config or parent.config_at(step)
    if step not in (steps := folder(run_id).branch_steps()):
        raise RunRefused(f"No checkpoint was kept after step {step:,}: there are {', '.join(f'{s:,}' for s in steps)}.")
    check(parent, step, config)
    planned = parent.to_come(step) if config == parent.config_at(step) else []
    group = parent.group if parent.group and parent.group.kind == "sweep" else None
    return _create(config, name, owner=owner, group=group, parent=Moment(run_id, step), planned=planned, edits=edits)


def _create(
    config: TrainingConfig,
    name: str,
    *,
    owner: str,
    group: Group | None,
    parent: Moment | None,
    planned: Sequence[Changed] = (),
    job: Job | None = None,
    edits: str = "",
) -> str:
    who, runs = people.current(), runs_folder()
    owner = one_line(who.name if who.role == "learner" else owner or who.name)[:NAME_LENGTH]
    try:
        if why := refusal(runs):
            raise RunRefused(why)
        make_folder(runs, parents=True)
        if sum(run.state is State.QUEUED and run.whose == (who.id or owner) for run in _list()) >= MOST_WAITING:
            raise RunRefused(
                f"{MOST_WAITING} of your runs are waiting already: stop one of them, or wait for one to start."
            )
        run_id = secrets.token_hex(6)
        RunFolder.create(
            runs,
            run_id,
            next_sequence(runs),
            one_line(name)[:NAME_LENGTH],
            config,
            owner=owner,
            owner_id=who.id,
            parent=parent,
            group=group,
            job=job,
            planned=planned,
            checkpoint=folder(parent.run_id).checkpoint(parent.step) if parent else None,
            edits=edits,
            weights=edited_weights(folder(parent.run_id), parent.step, edits) if parent else None,
            engine=get(parent.run_id).engine if parent else "torch",
        )
    except OSError as error:
        raise RunRefused(f"A run cannot be started: {runs} cannot be written to ({error.strerror}).") from error
    except Unreadable as error:
        raise RunRefused(f"A run cannot be started: {error}") from error
    ring(runs)
    ensure_dispatcher()
    return run_id


def stop(run_id: str) -> None:
    """End the run at its next step; a run that waits does not start. Raises RunNotFound."""
    _ask(run_id, "stop")


def pause(run_id: str) -> None:
    """Write a checkpoint and give the slot back. Raises RunNotFound."""
    _ask(run_id, "pause", instead_of="resume")  # one that came before the run had paused


def resume(run_id: str) -> None:
    """Go on from the checkpoint. Raises RunNotFound."""
    _ask(run_id, "resume", instead_of="pause")


def change(run_id: str, *, learning_rate: float | None = None, momentum: float | None = None) -> None:
    """Train on with another learning rate or momentum, from the next step on; a run that waits: when it goes on.

    Where a schedule changes the learning rate over the run, this is the new rate that it scales. Raises RunNotFound,
    RunRefused, and ValueError for a value out of its range.
    """
    run, run_folder = get(run_id), folder(run_id)
    if run.state.is_final:
        raise RunRefused("This run is over: branch off from it instead.")
    wanted = [(learning_rate, momentum), *run_folder.changes_asked().values()]
    now = run.config_now
    for rate, share in reversed(wanted):
        now = replace(
            now,
            learning_rate=now.learning_rate if rate is None else rate,
            momentum=now.momentum if share is None else share,
        )
    _write_to(run_id, lambda: run_folder.ask_for_change(learning_rate, momentum))


def step_once(run_id: str) -> None:
    """Have a paused run take a single step, whose numbers come into `RunFolder.single_step`. Raises RunNotFound, RunRefused."""
    run = get(run_id)
    if run.state is not State.PAUSED or run.job:
        raise RunRefused("Only a paused run takes single steps: pause it first.")
    _write_to(run_id, lambda: folder(run_id).ask("step", str(run.step + 1)))


def delete(run_id: str, *, stop: bool = False) -> None:
    """Remove the run and all its files. While it trains: refused, or with `stop` as soon as it has stopped.

    Raises RunNotFound, RunRefused.
    """
    run, run_folder = get(run_id), folder(run_id)
    if run.is_active and not stop:
        raise RunRefused("This run is still active: stop it first.")

    def ask() -> None:
        run_folder.ask("delete")
        if run.is_active:
            run_folder.ask("stop")
        else:
            run_folder.relabel()  # so that the dispatcher looks, too

    _write_to(run_id, ask)
    until = time.monotonic() + 0.5
    while not run.is_active and run_folder.has_file() and time.monotonic() < until:
        with contextlib.suppress(OSError):  # somebody else was quicker
            if run_folder.delete():
                return
        time.sleep(0.02)  # a worker leaves it


def move(run_id: str, place: int) -> None:
    """Bring a waiting run to another place among its owner's waiting runs; 0 is the first. Raises RunNotFound, RunRefused."""
    run = get(run_id)
    if run.state is not State.QUEUED:
        raise RunRefused("Only a run that waits can be moved.")
    own = [waiting.run for waiting in queue() if waiting.run.whose == run.whose]
    if any(other.id == run_id for other in own):
        _relabel(run_id, order=moved(own, run_id, place))


def rename(run_id: str, name: str) -> None:
    """Give the run another name; an empty one is its number. Raises RunNotFound, RunRefused."""
    _relabel(run_id, name=one_line(name)[:NAME_LENGTH])


def annotate(run_id: str, note: str) -> None:
    """Write a note on the run, in the place of the one that is there. Raises RunNotFound, RunRefused."""
    _relabel(run_id, note=lines(note)[:NOTE_LENGTH])


def _relabel(run_id: str, **changed: str | float) -> None:
    _write_to(run_id, lambda: folder(run_id).relabel(**changed))


def _ask(run_id: str, request: Request, instead_of: Request | None = None) -> None:
    run_folder = folder(run_id)

    def ask() -> None:
        if instead_of:
            run_folder.settle(instead_of)
        run_folder.ask(request)

    _write_to(run_id, ask)


def _write_to(run_id: str, write: Callable[[], None]) -> None:
    folder(run_id)
    if (who := people.current()).role == "learner" and not people.may_change(run := get(run_id), who):
        raise RunRefused(
            f"This run belongs to {run.owner or 'somebody else'}: only they and your teacher may change it."
        )
    try:
        write()
    except OSError as error:
        raise RunRefused(f"The run's folder cannot be written to ({error.strerror}).") from error
    except Unreadable as error:  # of a newer version, say
        raise RunRefused(str(error)) from error
    ring(runs_folder())
    ensure_dispatcher()

"""What pages call. Quick, without torch; nothing is kept in memory between two calls."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from fmnist_core.dataset import data_folder
from fmnist_core.jobs import Job
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs.dispatcher import BELL, INDEX_DAMAGED
from fmnist_core.runs.executor import REPOSITORY
from fmnist_core.runs.folder import Request, RunFolder, is_run_id
from fmnist_core.runs.index import FILE, VERSION, IndexReader
from fmnist_core.runs.record import Moment, Run, State

LEAST_FREE = 200 * 1024 * 1024
"""Bytes that must be free for a run to start."""
NAME_LENGTH = 80
NOTE_LENGTH = 2000
"""Characters of a name and of a note; what is longer is cut."""

T = TypeVar("T")


class RunNotFound(LookupError):
    """There is no such run. The message is meant for the page."""


class RunRefused(Exception):
    """The run was not started. The message says why, and is meant for the page."""


def runs_folder() -> Path:
    """`$FMNIST_RUNS`, else `runs/` of this repository."""
    return Path(os.environ.get("FMNIST_RUNS") or REPOSITORY / "runs").expanduser().absolute()


# --- Reading -------------------------------------------------------------------------------------------------------


def list_runs() -> list[Run]:
    """All runs, newest first; jobs, such as races, are no runs."""
    return [run for run in _list() if run.job is None]


def list_jobs(kind: type[Job]) -> list[Run]:
    """All jobs of one kind, newest first."""
    return [run for run in _list() if isinstance(run.job, kind)]


def _list() -> list[Run]:
    ensure_dispatcher()
    runs = runs_folder()
    found = {run.id: _up_to_date(run, offset) for run, offset in _from_index(IndexReader.runs) or []}
    try:
        ids = [entry.name for entry in os.scandir(runs) if is_run_id(entry.name)]
    except OSError:
        ids = []
    for run_id in ids:
        if run_id not in found and (run := _from_folder(RunFolder(runs / run_id))):
            found[run_id] = run  # too new for the index, or there is no index
    there = set(ids)
    return sorted((run for run in found.values() if run.id in there), key=lambda run: run.sequence, reverse=True)


def get(run_id: str) -> Run:
    """The run of that id. Raises RunNotFound."""
    ensure_dispatcher()
    runs = runs_folder()
    if not is_run_id(run_id) or not RunFolder(runs / run_id).has_file():
        raise RunNotFound("No such run. It may have been deleted, or the address is incomplete.")
    indexed = _from_index(lambda index: index.run(run_id))
    run = _up_to_date(*indexed) if indexed else _from_folder(RunFolder(runs / run_id))
    if run is None:
        raise RunNotFound("No such run: its folder holds no settings that can be read.")
    return run


def folder(run_id: str) -> RunFolder:
    """The run's files. Raises RunNotFound."""
    path = RunFolder(runs_folder() / run_id) if is_run_id(run_id) else None
    if path is None or not path.has_file():
        raise RunNotFound("No such run. It may have been deleted, or the address is incomplete.")
    return path


def devices() -> tuple[str, ...]:
    """What runs can compute on, the fastest first, such as ("cuda", "cpu")."""
    ensure_dispatcher()
    devices = _from_index(lambda index: index.fact("devices"))
    try:
        return tuple(json.loads(devices or "[]")) or ("cpu",)
    except ValueError:
        return ("cpu",)


def _from_index(read: Callable[[IndexReader], T]) -> T | None:
    """What `read` finds in the index; None where it cannot be read."""
    runs = runs_folder()
    try:
        with IndexReader(runs) as index:
            return read(index)
    except sqlite3.OperationalError:  # not there yet, or locked
        return None
    except sqlite3.DatabaseError:
        _ring(runs, INDEX_DAMAGED)
        return None


def _from_folder(run_folder: RunFolder) -> Run | None:
    try:
        return _up_to_date(run_folder.run(), 0)
    except (OSError, ValueError):
        return None


def _up_to_date(run: Run, offset: int) -> Run:
    """With what the index has not heard yet, and cannot on a full disk, and with what was asked for."""
    run_folder = RunFolder(runs_folder() / run.id)
    with contextlib.suppress(OSError, ValueError):  # deleted just now: the index remembers it for a moment
        run = run_folder.relabelled(run)
    if run.state.is_final:
        return run
    if news := list(run_folder.events(offset)):
        run = replace(run.apply_all(news), stalled=False)
    is_over = run.state.is_final
    return replace(
        run,
        stopping=not is_over and run_folder.is_asked("stop"),
        pausing=not is_over and run_folder.is_asked("pause"),
    )


# --- Doing ---------------------------------------------------------------------------------------------------------


def start(
    config: TrainingConfig,
    name: str = "",
    *,
    owner: str = "",
    parent: Moment | None = None,
    group: str = "",
    job: Job | None = None,
) -> str:
    """Put a run, or a job, into the queue and return its id. Raises RunRefused.

    `owner`: the anonymous name of the browser that asks; the queue is fair between owners. `group`: a common name of
    runs that belong together.
    """
    runs = runs_folder()
    try:
        runs.mkdir(parents=True, exist_ok=True)
        if (free := shutil.disk_usage(runs).free) < LEAST_FREE:
            raise RunRefused(
                f"Only {free / 1e6:,.0f} MB are free on the disk of {runs}: a run needs {LEAST_FREE / 1e6:,.0f} MB. "
                f"Make room and start again."
            )
        if _index_is_newer(runs):
            raise RunRefused(f"{runs / FILE} was written by a newer version of Fashion-MNIST Lab: use that one.")
        run_id = secrets.token_hex(6)
        RunFolder.create(
            runs,
            run_id,
            _next_sequence(runs),
            name.strip()[:NAME_LENGTH],
            config,
            owner=owner.strip()[:NAME_LENGTH],
            parent=parent,
            group=group.strip()[:NAME_LENGTH],
            job=job,
        )
    except OSError as error:
        raise RunRefused(f"A run cannot be started: {runs} cannot be written to ({error.strerror}).") from error
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


def rename(run_id: str, name: str) -> None:
    """Give the run another name; an empty one is its number. Raises RunNotFound, RunRefused."""
    _relabel(run_id, name=name.strip()[:NAME_LENGTH])


def annotate(run_id: str, note: str) -> None:
    """Write a note on the run, in the place of the one that is there. Raises RunNotFound, RunRefused."""
    _relabel(run_id, note=note.strip()[:NOTE_LENGTH])


def _relabel(run_id: str, **changed: str | float) -> None:
    try:
        folder(run_id).relabel(**changed)
    except (OSError, ValueError) as error:
        raise RunRefused(f"The run's folder cannot be written to ({error}).") from error
    ensure_dispatcher()


def _ask(run_id: str, request: Request, instead_of: Request | None = None) -> None:
    run_folder = folder(run_id)
    try:
        if instead_of:
            run_folder.settle(instead_of)
        run_folder.ask(request)
    except OSError as error:
        raise RunRefused(f"The run's folder cannot be written to ({error.strerror}).") from error
    ensure_dispatcher()


def _next_sequence(runs: Path) -> int:
    """The next number, also when two processes ask at once."""
    with open(runs / ".sequence", "a+", encoding="ascii", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read().strip()
        if text.isdecimal():
            last = int(text)
        else:  # lost: go on after the highest there is
            folders = (RunFolder(Path(entry.path)) for entry in os.scandir(runs) if is_run_id(entry.name))
            last = max((run.sequence for run in map(_from_folder, folders) if run), default=0)
        file.seek(0)
        file.truncate()
        file.write(str(last + 1))
    return last + 1


def _index_is_newer(runs: Path) -> bool:
    if not (runs / FILE).exists():
        return False
    try:
        connection = sqlite3.connect(f"{(runs / FILE).as_uri()}?mode=ro", uri=True)
        try:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] > VERSION)
        finally:
            connection.close()
    except sqlite3.Error:
        return False


# --- The dispatcher ------------------------------------------------------------------------------------------------

_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}


def ensure_dispatcher() -> None:
    """Wake the dispatcher, or start it when there is none. Does nothing where the runs folder cannot be written to."""
    runs = runs_folder()
    if _ring(runs):
        return
    process, at = _started.get(runs, (None, -10.0))
    if process is not None:
        process.poll()  # reap it when it has ended
        if time.monotonic() - at < 3:
            return  # it is on its way
    try:
        runs.mkdir(parents=True, exist_ok=True)
        with open(runs / "dispatcher.log", "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "fmnist_core.runs.dispatcher", str(runs)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
                env=os.environ | {"FMNIST_DATA": str(data_folder())},
                start_new_session=True,  # it outlives the web server
            )
    except OSError:
        return  # read-only: looking still works
    _started[runs] = (process, time.monotonic())


def _ring(runs: Path, message: bytes = b"!") -> bool:
    try:
        bell = os.open(runs / BELL, os.O_WRONLY | os.O_NONBLOCK)  # fails where nobody listens
    except OSError:
        return False
    try:
        os.write(bell, message)
    except BlockingIOError:
        pass  # it has rung often enough
    finally:
        os.close(bell)
    return True


__all__ = [
    "Run",
    "RunNotFound",
    "RunRefused",
    "State",
    "annotate",
    "devices",
    "folder",
    "get",
    "list_jobs",
    "list_runs",
    "pause",
    "rename",
    "resume",
    "start",
    "stop",
]

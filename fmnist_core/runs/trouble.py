"""Whatever keeps runs from starting, as one sentence for the page and the terminal."""

from __future__ import annotations

import os
import pwd
import shutil
import sqlite3
import time
from pathlib import Path

from fmnist_core.files import Unreadable, explain, open_file, parse, wrong_kind
from fmnist_core.runs import environment
from fmnist_core.runs.bell import LOCK, last_start, may_serve, ring
from fmnist_core.runs.files.folder import RunFolder, is_run_id
from fmnist_core.runs.index import FILE, IndexReader, is_newer

LEAST_FREE = 200 * 1024 * 1024
"""Bytes that must be free for a run to start."""
SILENT = 60.0
"""Seconds without a sign of life after which the dispatcher counts as suspended. It gives one every 5 s."""

EX_TEMPFAIL, EX_CONFIG = 75, 78


def in_all(runs: Path, patience: float) -> str | None:
    """Whatever keeps runs of this folder from starting; waits `patience` seconds for a dispatcher that is on its way."""
    if why := refusal(runs) or of_writing(runs):
        return why
    until = time.monotonic() + patience
    while not ring(runs, b"") and last_start(runs) is None and time.monotonic() < until:
        time.sleep(0.05)
    return of_serving(runs) or _told(runs)


def _told(runs: Path) -> str | None:
    """What the dispatcher itself says."""
    try:
        with IndexReader(runs) as index:
            told = parse(index.fact("trouble") or "null")
    except (sqlite3.Error, ValueError):
        return None
    return told if isinstance(told, str) and told else None


_readable: dict[str, int] = {}
"""Settings of runs that could be read, and when they, or who may read them, were changed last, in nanoseconds."""


def unreadable(runs: Path) -> dict[str, str]:
    """Folders with the name of a run whose settings cannot be read, and why; the runs folder itself where it cannot."""
    found: dict[str, str] = {}
    try:
        entries = sorted(os.scandir(runs), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        return {runs.name: f"{runs} cannot be read ({error.strerror})."}
    for entry in entries:
        if is_run_id(entry.name):
            try:
                if entry.is_symlink():
                    raise Unreadable(f"{entry.path} is a link, not a folder.")
                folder = RunFolder(Path(entry.path))
                if not (changed_at := _changed_at(folder)) or _readable.get(entry.path) != changed_at:
                    folder.run()
                    _readable[entry.path] = changed_at
            except (OSError, ValueError) as error:
                found[entry.name] = explain(error)
    return found


def _changed_at(folder: RunFolder) -> int:
    try:
        return os.stat(folder.path / "config.json", follow_symlinks=False).st_ctime_ns
    except OSError:
        return 0


def refusal(runs: Path) -> str | None:
    """Why no run can be put into this folder; None where one can."""
    try:
        environment.check()
    except ValueError as error:
        return str(error)
    there = next(path for path in (runs, *runs.parents) if os.path.lexists(path))
    if not there.is_dir():
        return f"A run cannot be started: {there} is {wrong_kind(there) or 'a file'}, not a folder."
    if not may_serve(runs):
        return (
            f"{runs} belongs to {_user(runs)}: start runs as that user, set FMNIST_RUNS to a folder of your own, or "
            f"FMNIST_SHARED=1 on both sides, with a common group and umask 002, to use it together."
        )
    try:
        total, _used, free = shutil.disk_usage(there)
    except OSError as error:
        return f"A run cannot be started: {there} cannot be used ({error.strerror})."
    if total and free < LEAST_FREE:  # one without any size, such as /proc, lacks something else
        return (
            f"Only {free / 1e6:,.0f} MB are free on the disk of {runs}: a run needs {LEAST_FREE / 1e6:,.0f} MB. "
            f"Make room and start again."
        )
    if is_newer(runs):
        return f"{runs / FILE} was written by a newer version of Fashion-MNIST Lab: use that one."
    return None


def of_writing(runs: Path) -> str | None:
    """Why nothing can be written there; None where something can, or where there is no folder yet."""
    if runs.is_dir() and not os.access(runs, os.W_OK | os.X_OK):
        return f"{runs} cannot be written to: runs can be looked at, and none can be started."
    return None


def of_serving(runs: Path) -> str | None:
    """Why runs that wait there do not start; None where a dispatcher looks after them, or is on its way."""
    if ring(runs, b""):
        try:
            silent = time.time() - (runs / LOCK).stat().st_mtime
        except OSError:
            return None
        if silent > SILENT:
            return f"The process that starts runs has said nothing for {silent:,.0f} s: it is suspended, or the machine is overloaded."
        return None
    if (status := last_start(runs)) in (None, 0, EX_TEMPFAIL):
        return None
    said = _last_line(runs / "dispatcher.log")
    return (
        said if status == EX_CONFIG and said else f"The process that starts runs has ended with status {status}: {said}"
    )


def _last_line(path: Path) -> str:
    try:
        with os.fdopen(open_file(path), "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").split("\n")
    except (OSError, Unreadable):
        return "its log cannot be read"
    return next((line.strip()[:400] for line in reversed(lines) if line.strip()), "its log says nothing")


def _user(path: Path) -> str:
    try:
        return pwd.getpwuid(uid := path.stat().st_uid).pw_name
    except OSError:
        return "another user"
    except KeyError:
        return f"the user {uid}"

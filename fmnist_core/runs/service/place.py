"""The dispatcher's own files in the runs folder, and whether it still has a place there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import IO

from fmnist_core.files import is_shared, set_aside, wrong_kind
from fmnist_core.runs.bell import BELL, LOCK, REPOSITORY, SIGNED
from fmnist_core.runs.files.folder import is_run_id

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
NO_LOCKS_THERE = (
    "The file system of {runs} knows no locks, without which two processes could train the same run: "
    "set FMNIST_RUNS to a folder on another disk."
)

LOOKS_EVERY = 2.0
"""Seconds between two looks at whether the program has changed; it must have stood still for as long."""
SAYS_EVERY = 5.0
"""Seconds between two signs of life for `client.trouble`."""

watches_program = True
"""Whether a dispatcher gives way when the files of the program change. Tests that fork it do without."""


class Place:
    """The lock that the dispatcher holds, and the program that it was started from."""

    def __init__(self, runs: Path, lock: IO[bytes]) -> None:
        self.runs, self.lock = runs, lock
        self.is_outdated = False
        self._program = self._seen = program()
        self._looked_at = self._said_at = time.monotonic()

    def sign(self) -> None:
        """Write down who holds the lock: one without a signature is of an older version, and is replaced."""
        self.lock.seek(0)
        self.lock.truncate()
        settings = {name: os.environ.get(variable, "") for name, variable in SIGNED.items()}
        self.lock.write(json.dumps({"pid": os.getpid(), "started": time.time()} | settings).encode())

    def is_lost(self) -> bool:
        """Whether the folder was moved or removed, so that the lock is another one's; or the program has changed."""
        now = time.monotonic()
        if now - self._said_at > SAYS_EVERY:
            self._said_at = now
            with contextlib.suppress(OSError):
                os.utime(self.lock.fileno())
        try:
            there, own = os.stat(self.runs / LOCK), os.fstat(self.lock.fileno())
        except OSError:
            return True
        if (there.st_ino, there.st_dev) != (own.st_ino, own.st_dev):
            return True
        if watches_program and now - self._looked_at > LOOKS_EVERY:
            self._looked_at, before, self._seen = now, self._seen, program()
            self.is_outdated = bool(self._seen) and self._seen == before != self._program
            return self.is_outdated or not self._seen
        return False


def program() -> tuple[tuple[str, int, int], ...]:
    """What tells one state of the program from another: its files and its interpreter; empty when it is gone."""
    found = []
    for path in (
        *sorted((REPOSITORY / "fmnist_core").rglob("*.py")),
        Path(sys.executable),
        Path(sys.prefix, "pyvenv.cfg"),
    ):
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((str(path), status.st_mtime_ns, status.st_size))
    is_there = Path(__file__).exists() and Path(sys.executable).exists()
    return tuple(found) if is_there else ()


def processors() -> int:
    """How many this process may use: `taskset` and containers allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_bell(runs: Path) -> int | None:
    """The named pipe that others ring; None where the file system has none: then they are heard a second later."""
    path = runs / BELL
    try:
        if os.path.lexists(path) and wrong_kind(path) != "a FIFO":
            set_aside(path)
        if not os.path.lexists(path):
            os.mkfifo(path, 0o666 if is_shared() else 0o600)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None


def protect(runs: Path) -> None:
    """From now on others on this machine read and lock nothing of ours, unless sharing is asked for."""
    if is_shared():
        return
    os.umask(0o077)
    for entry in os.scandir(runs):
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            is_ours = is_run_id(entry.name) or entry.name.startswith((".", "index.sqlite", "dispatcher.log", "label-"))
            if (
                is_ours
                and status.st_uid == os.geteuid()
                and status.st_mode & 0o077
                and not stat.S_ISLNK(status.st_mode)
            ):
                os.chmod(entry.path, status.st_mode & 0o700)

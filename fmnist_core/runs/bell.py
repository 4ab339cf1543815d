"""Where runs are, and how whoever looks at them wakes the dispatcher, or starts it when there is none."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

from fmnist_core.data.dataset import data_folder
from fmnist_core.files import is_shared, make_folder, open_log, read
from fmnist_core.runs import environment

REPOSITORY = Path(__file__).parents[2]
BELL = ".bell"
"""A named pipe in the runs folder: whoever writes a byte into it wakes the dispatcher."""
INDEX_DAMAGED, END = b"?", b"."
"""The bytes of somebody who could not read the index, and who asks the dispatcher to make room for another one; any other
byte says no more than that somebody is there."""
LOCK = ".dispatcher.lock"
"""Held by the dispatcher of the folder, and signed by it."""

SIGNED = {"slots": "FMNIST_SLOTS", "cluster": "FMNIST_RAY"}
"""Settings of the environment that it signs with: where others are wanted, another dispatcher takes its place."""

LOOKS = 1.0
"""Seconds between two rings of those in this process who only look: the dispatcher is to know that somebody is there, and each
ring costs it a turn."""
SOON, LATER = 3.0, 30.0
"""Seconds after a start before the next one: while it is on its way, and after it has failed."""

_SINCE = time.time()


def runs_folder() -> Path:
    """`$FMNIST_RUNS`, else `runs/` of this repository."""
    return Path(os.path.expanduser(os.environ.get("FMNIST_RUNS") or REPOSITORY / "runs")).absolute()


class Held:
    """While a server's first page is drawn, whoever only looks starts no dispatcher: its processes would take the page's processors."""

    is_on = False
    wanted = threading.Event()
    """Somebody has looked, or has something to be done."""


def hold() -> None:
    """From now on a look starts no dispatcher, until `release`, or until somebody rings for something."""
    Held.wanted.clear()
    Held.is_on = True


def release() -> None:
    """A look starts one again."""
    Held.is_on = False
    Held.wanted.set()


_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}
_looked: dict[Path, float] = {}
"""When somebody in this process has rung last because they looked, by the monotonic clock."""


def ensure_dispatcher() -> None:
    """Start the dispatcher when there is none; one that is there hears now and then that somebody looks.

    Whoever has asked it for something wakes it with `ring`. Does nothing where the runs folder cannot be written to, and where
    it is another user's: who only looks there must not become the one who serves. One of an older version, or with another
    number of slots or cluster than is wanted here, is replaced.
    """
    runs, now = runs_folder(), time.monotonic()
    is_known = Held.is_on or now - _looked.get(runs, -LOOKS) < LOOKS
    if ring(runs, b"" if is_known else b"!"):
        if not is_known:
            _looked[runs] = now
            _replace(runs)
        return
    if Held.is_on:
        Held.wanted.set()
        return
    process, at = _started.get(runs, (None, -LATER))
    if process is not None and time.monotonic() - at < (LATER if process.poll() else SOON):  # `poll` reaps it, too
        return
    try:
        environment.check()
        if not may_serve(runs):
            return
        make_folder(runs, parents=True)
        _started[runs] = start_dispatcher(runs), time.monotonic()
    except (OSError, ValueError):
        return  # read-only, or a setting that cannot be, as `client.trouble` says: looking still works


def start_dispatcher(runs: Path) -> subprocess.Popen[bytes]:
    """A process that outlives this one. Raises OSError."""
    output = open_log(runs / "dispatcher.log")
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "fmnist_core.runs.service.dispatcher", str(runs)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=REPOSITORY,
            env=os.environ | {"FMNIST_DATA": str(data_folder()), "PYTHONSAFEPATH": ""},  # else -m finds nothing of ours
            start_new_session=True,  # it outlives the web server
        )
    finally:
        os.close(output)


def last_start(runs: Path) -> int | None:
    """How the dispatcher that this process started last has ended; None where it has not, or none was started."""
    process, _ = _started.get(runs, (None, 0.0))
    return process.poll() if process else None


def may_serve(runs: Path) -> bool:
    """Whether the folder is this user's, or is there to be shared."""
    try:
        return is_shared() or runs.stat().st_uid == os.geteuid()
    except FileNotFoundError:
        return True


def ring(runs: Path, message: bytes = b"!") -> bool:
    """Wake the dispatcher; False where there is none: then the next look starts it, whoever holds it. An empty message only looks."""
    try:
        bell = os.open(runs / BELL, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW)  # fails where nobody listens
    except OSError:
        if message:
            release()
        return False
    try:
        if not stat.S_ISFIFO(os.fstat(bell).st_mode):
            return False
        if message:
            os.write(bell, message)
    except BlockingIOError:
        pass  # it has rung often enough
    except OSError:
        return False  # it has just ended
    finally:
        os.close(bell)
    return True


def _replace(runs: Path) -> None:
    """Have a dispatcher that is not the one that is wanted make room; the next visit starts another one."""
    try:
        signed = json.loads(read(runs / LOCK, 1_000) or b"null")
    except (OSError, ValueError):
        return
    if not isinstance(signed, dict):
        from fmnist_core.runs.index import (
            leave_to_newer,  # an older one understands nothing but an index that is too new
        )

        with contextlib.suppress(OSError):
            leave_to_newer(runs)
        return
    wanted = {name: os.environ.get(variable, "").strip() for name, variable in SIGNED.items()}
    is_other = any(value and signed.get(name) != value for name, value in wanted.items())
    started = signed.get("started")
    if is_other and isinstance(started, int | float) and started < _SINCE:
        ring(runs, END)

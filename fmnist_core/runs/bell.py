"""Where runs are, and how whoever looks at them wakes the dispatcher, or starts it when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from fmnist_core.data.dataset import data_folder

REPOSITORY = Path(__file__).parents[2]
BELL = ".bell"
"""A named pipe in the runs folder: whoever writes a byte into it wakes the dispatcher."""
INDEX_DAMAGED = b"?"
"""The byte of somebody who could not read the index; any other byte says no more than that somebody is there."""
LOCK = ".dispatcher.lock"
"""Held by the dispatcher of the folder."""


def runs_folder() -> Path:
    """`$FMNIST_RUNS`, else `runs/` of this repository."""
    return Path(os.environ.get("FMNIST_RUNS") or REPOSITORY / "runs").expanduser().absolute()


_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}


def ensure_dispatcher() -> None:
    """Wake the dispatcher, or start it when there is none. Does nothing where the runs folder cannot be written to."""
    runs = runs_folder()
    if ring(runs):
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
                [sys.executable, "-m", "fmnist_core.runs.service.dispatcher", str(runs)],
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


def ring(runs: Path, message: bytes = b"!") -> bool:
    """Wake the dispatcher; False where there is none."""
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

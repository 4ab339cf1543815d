"""The worker's parent on another machine: ends it, and removes its scratch folder, when nobody follows it any more.

    python -m fmnist_core.runs.service.cluster.guard RUN_FOLDER WORKER...

On standard input a byte comes with each exchange: "." that somebody is there, "e" that the worker is to end with a
checkpoint, "k" that it is to end at once. Whoever sends them may be killed: then standard input ends, too. Exits with the
worker's status.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fmnist_core.training.compiled import library

FORSAKEN_AFTER = 60.0
"""Seconds without a byte after which nobody follows: the network may be gone, and the run goes on elsewhere."""
LOOKS_EVERY = 0.1
DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


def guard(run_folder: Path, command: Sequence[str]) -> int:
    """Train; returns the worker's exit status, 128 and the signal's number where one ended it."""
    if library.is_wanted() and not library.find() and library.compiler():
        compiling = [sys.executable, "-m", "fmnist_core.training.compiled"]  # once for each machine: seconds
        subprocess.run(compiling, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    worker = subprocess.Popen(
        [*command, str(run_folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=_end_with_parent,
    )
    heard_at = time.monotonic()
    while worker.poll() is None:
        said = None
        if select.select([0], [], [], LOOKS_EVERY)[0]:
            said, heard_at = os.read(0, 4096), time.monotonic()
        if said == b"" or time.monotonic() - heard_at > FORSAKEN_AFTER:
            worker.kill()
            worker.wait()
            shutil.rmtree(run_folder.parent, ignore_errors=True)
        elif said and b"k" in said:
            worker.kill()
        elif said and b"e" in said:
            worker.send_signal(signal.SIGTERM)
    return worker.returncode if worker.returncode >= 0 else 128 - worker.returncode


def _end_with_parent() -> None:
    """In the child, before it becomes the worker: where the guard is killed, so is it. Only Linux has that."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(guard(Path(sys.argv[1]), sys.argv[2:]))

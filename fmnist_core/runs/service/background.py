"""What a page asks of a run and takes too long, or takes torch: computed in a process of its own, kept beside the run."""

from __future__ import annotations

import fcntl
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.files import write_whole
from fmnist_core.runs.bell import REPOSITORY

NO_WEIGHTS = 3
"""Exit status where the weights of the moment were not kept."""

NICE = 10
"""Of the processes that compute it."""

State = Literal["ready", "computing", "unknown weights", "failed"]

_begun: dict[Path, subprocess.Popen[bytes]] = {}


def begin(
    module: str, file: Path, *arguments: str, whole: Callable[[], bool] | None = None, threads: int | None = None
) -> State:
    """`python -m module ARGUMENTS…`, which writes `file`, unless that is there or being computed; how it stands.

    `whole` says whether the file holds all that it shall (by default: it exists); `threads` bounds the process's.
    """
    whole = whole or file.exists
    if whole():
        return "ready"
    process = _begun.get(file)
    if process is None:
        try:
            process = _begun[file] = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=REPOSITORY,
                env=os.environ
                | {"FMNIST_DATA": str(dataset.data_folder())}
                | ({"OMP_NUM_THREADS": str(threads)} if threads else {}),
                start_new_session=True,
            )
        except OSError:
            return "failed"
    if process.poll() is None:
        return "computing"
    if process.returncode:
        return "unknown weights" if process.returncode == NO_WEIGHTS else "failed"
    del _begun[file]  # it has ended well: its file is there, or was removed again later
    return "ready" if whole() else "computing"


def give_way() -> None:
    """The first that a process does which `begin` has started: training goes before looking, and there is no way back."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def keep(file: Path, most: int, compute: Callable[[], npt.NDArray[Any]]) -> None:
    """What the process that `begin` started does: compute, and keep the newest `most` arrays of the folder.

    Returns at once where another process has been quicker; ends this one with `NO_WEIGHTS` on a LookupError or FileNotFoundError.
    """
    file.parent.mkdir(exist_ok=True)
    with open(file.parent / ".lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if file.exists():
            return
        try:
            found = compute()
        except (LookupError, FileNotFoundError):
            sys.exit(NO_WEIGHTS)
        content = io.BytesIO()
        np.save(content, found)
        write_whole(file, content.getvalue(), durable=False)
        for old in sorted(file.parent.glob("*.npy"), key=lambda path: path.stat().st_mtime)[:-most]:
            old.unlink(missing_ok=True)

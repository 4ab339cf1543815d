"""The numbers of runs, in the order of their start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path

from fmnist_core.files import Unreadable, open_file, set_aside
from fmnist_core.runs.files.folder import RunFolder, is_run_id

FILE = ".sequence"
"""In the runs folder: the last number that was given."""


def next_sequence(runs: Path) -> int:
    """The next number, also when two processes ask at once. Raises OSError."""
    flags = os.O_RDWR | os.O_CREAT
    try:
        handle = open_file(runs / FILE, flags)
    except Unreadable:
        set_aside(runs / FILE)
        handle = open_file(runs / FILE, flags)
    with os.fdopen(handle, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read(100).strip()
        last = int(text) if re.fullmatch(rb"[0-9]{1,12}", text) else _highest(runs)
        file.seek(0)
        file.truncate()
        file.write(b"%d" % (last + 1))
    return last + 1


def _highest(runs: Path) -> int:
    """That of the newest run there is: the file was lost."""
    highest = 0
    for entry in os.scandir(runs):
        if is_run_id(entry.name):
            with contextlib.suppress(OSError, ValueError):
                highest = max(highest, RunFolder(Path(entry.path)).run().sequence)
    return highest

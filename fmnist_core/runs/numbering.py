"""The numbers of runs: in the order of their start, from 1."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from fmnist_core.runs.folder import RunFolder, is_run_id


def next_sequence(runs: Path) -> int:
    """The next number, also when two processes ask at once."""
    with open(runs / ".sequence", "a+", encoding="ascii", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        text = file.read().strip()
        last = int(text) if text.isdecimal() else _highest(runs)
        file.seek(0)
        file.truncate()
        file.write(str(last + 1))
    return last + 1


def _highest(runs: Path) -> int:
    """Where the last number was lost: the highest that a run has."""
    return max((_number(Path(entry.path)) for entry in os.scandir(runs) if is_run_id(entry.name)), default=0)


def _number(folder: Path) -> int:
    try:
        return RunFolder(folder).run().sequence
    except (OSError, ValueError):
        return 0

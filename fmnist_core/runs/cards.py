"""The NVIDIA GPUs of this machine and the memory in use on them, as the driver's own program tells. No torch.

Asked at most every two seconds in a process, whoever looks: a call takes some 30 ms.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass
from threading import Lock

PROGRAMS = ("nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi")
"""On the PATH, and where Windows puts it for Linux."""
QUERY = ("--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits")
PATIENCE = 2.0
"""Seconds: for an answer, and for which one counts."""


@dataclass(frozen=True)
class Card:
    """One GPU."""

    name: str
    used: int
    """MiB that all programs together have taken;"""
    total: int
    """of so many."""

    @property
    def words(self) -> str:
        """Its memory in words.

        >>> Card("NVIDIA H100", 3_200, 81_559).words
        '3.1 of 80 GB in use'
        """
        return f"{self.used / 1024:.1f} of {self.total / 1024:.0f} GB in use"


_answered: tuple[float, tuple[Card, ...]] | None = None
_lock = Lock()


def cards() -> tuple[Card, ...]:
    """All of them in the driver's order; none where there is no driver, or where it does not answer."""
    global _answered
    with _lock:
        now = time.monotonic()
        if _answered is None or now - _answered[0] > PATIENCE:
            _answered = time.monotonic(), _ask()
        return _answered[1]


def _ask() -> tuple[Card, ...]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        return ()
    try:
        told = subprocess.run([program, *QUERY], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
        lines = [line.rsplit(",", 2) for line in told.splitlines() if line.strip()]
        return tuple(Card(name.strip(), int(used), int(total)) for name, used, total in lines)
    except (OSError, ValueError, subprocess.SubprocessError):  # such as "[N/A]" where the driver does not tell
        return ()


def memory_on(card: str) -> str:
    """The memory in use on the cards that a run's record calls `card`, in words; "" where the driver does not tell.

    Of several alike, each: which of them a run has is known to its worker only.
    """
    name = card.rpartition(", ")[0] or card
    return "; ".join(found.words for found in cards() if found.name == name)

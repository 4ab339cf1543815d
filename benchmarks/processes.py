"""The processes that belong to a runs folder, found through /proc (Linux), and waiting for what they do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from fmnist_core.runs import client

PATIENCE = 120.0
"""Seconds after which something that should happen counts as not happening."""


def wait_until(happened: Callable[[], bool], what: str) -> float:
    """`time.perf_counter()` when it happened, looking a hundred times a second."""
    deadline = time.perf_counter() + PATIENCE
    while not happened():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{what} did not happen within {PATIENCE:.0f} s")
        time.sleep(0.01)
    return time.perf_counter()


def processes() -> dict[int, str]:
    """Everything that runs for our runs folder: process id and command line."""
    mark, found = f"FMNIST_RUNS={client.runs_folder()}".encode(), {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdecimal() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
        except OSError:
            continue  # it has ended, or is somebody else's
    found.pop(os.getpid(), None)
    return {pid: command for pid, command in found.items() if command}


def end_dispatcher() -> None:
    """No dispatcher, no spare, no worker."""
    for pid, command in processes().items():
        if "dispatcher" in command:
            os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not processes(), "the end of the dispatcher")

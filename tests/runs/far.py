"""Another machine in a folder beside this one: what tests of the mirror need, without a network."""

from __future__ import annotations

import sys
import threading
import time

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.service.cluster.here import Here, follow
from fmnist_core.runs.service.cluster.mirror import Mirror, News
from tests.runs.lab import (
    PATIENCE,
)

ENVIRONMENT = {"OMP_NUM_THREADS": "1", "FMNIST_COMPILED": "0", "FMNIST_SNAPSHOTS": "0"}


class Far:
    """A worker on "another machine", followed by a thread here as by the process that holds the run's lock."""

    def __init__(self, run: RunFolder, **environment: str) -> None:
        lock = run.lock()
        assert lock
        self.lock, self.here = lock, Here(run)
        self.there = Mirror(run.id, self.here.packed(), ENVIRONMENT | environment)
        self.is_to_end = self.is_in_the_way = False
        self.status: int | None = None
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def _follow(self) -> None:
        self.status = follow(self.here, self.there, lambda: self.is_to_end, lambda: self.is_in_the_way)

    def wait(self) -> int | None:
        """Until nobody follows any more; the run may be taken by another one then."""
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        self.lock.close()
        return self.status


SCRIPTED = """
import fcntl, os, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
lock = open(folder / "worker.lock", "ab"); fcntl.flock(lock, fcntl.LOCK_EX)
def whole(name, content):
    (folder / ".new").write_bytes(content); (folder / ".new").rename(folder / name)
def until(condition):
    while not condition(): time.sleep(0.01)
"""
"""A worker of a test: it does to its folder what the test says, and nothing else."""


def scripted(here: Here, program: str) -> Mirror:
    return Mirror(here.folder.id, here.packed(), ENVIRONMENT, (sys.executable, "-c", SCRIPTED + program))


def hear(here: Here, there: Mirror, is_enough: object = None) -> list[News]:
    """Exchange until the worker has ended, or `is_enough`; everything is applied."""
    told = []
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        news = there.exchange(here.asked())
        here.apply(news)
        told.append(news)
        if news.status is not None or (callable(is_enough) and is_enough()):
            break
    return told

"""A run as the dispatcher follows it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fmnist_core.files import Unreadable, explain
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Damaged, Interrupted, Run, RunEvent, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.executor import Executor

AGAIN = 5.0
"""Seconds after which a run that could not be served is looked at again."""
QUIET = 10.0
"""Seconds without a change after which a folder that was copied here counts as whole."""
INCOMPLETE = 60.0
"""Seconds without a change after which a copy that still lacks something counts as a copy that went wrong."""

LETS_GO_WITHIN = 10.0
"""Seconds after its end for which a run keeps its slot, until its worker has ended or can take the next one."""

COPIED = "It is being copied here, and is left alone until nothing of it changes any more."

log = logging.getLogger("dispatcher")


class Watched:
    """One run: what its record says, and what keeps it from being served."""

    def __init__(self, folder: RunFolder, run: Run, offset: int = 0) -> None:
        self.folder, self.recorded, self.offset = folder, run, offset
        self.heard_at = time.monotonic()
        self.given_out_at: float | None = None
        """When a worker was asked to take it; None once it has, or when none was asked."""
        self.step_given_out_at: float | None = None
        """When a worker was asked to take a single step of it."""
        self.slot = ""
        """Where it trains."""
        self.fault = ""
        """Why it cannot be served: it is failed as far as anybody can see, and nothing of that is recorded."""
        self._again_at = 0.0
        self._last_fault = ""
        self._is_whole = False
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._seen_at = 0.0

    @property
    def run(self) -> Run:
        """The run as everybody sees it."""
        if not self.fault:
            return self.recorded
        if self.recorded.state.is_final:
            return replace(self.recorded, fault=self.fault)
        return replace(self.recorded, fault=self.fault, state=State.FAILED, reason=self.fault, stalled=False)

    @run.setter
    def run(self, run: Run) -> None:
        self.recorded = run

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Whatever goes wrong in between is this run's own fault, and keeps no other from being served."""
        try:
            yield
        except Exception as error:
            why = explain(error)
            if why != self._last_fault:
                log.warning(
                    "run %s cannot be served: %s",
                    self.folder.id,
                    why,
                    exc_info=not isinstance(error, OSError | ValueError),
                )
            self.fault = f"{why} Mend that, or delete the run; it is looked at again by itself."
            self._last_fault = why
            self._again_at, self.given_out_at = time.monotonic() + AGAIN, None

    def is_served(self) -> bool:
        """Whether nothing keeps it from being served; after a while a run with a fault is read anew."""
        if self.fault and time.monotonic() >= self._again_at:
            self.fault = ""
            with self.alone():
                self.recorded, self.offset = self.folder.run(), 0
                while self.follow():
                    pass
                self.folder.changes_asked()
        return not self.fault

    def follow(self) -> bool:
        """Apply new events; True when there were any. Raises Unreadable, OSError."""
        news, after = self.folder.news(self.offset)
        for event in news:
            if isinstance(event, Damaged):
                log.warning("run %s: %s", self.folder.id, event.reason)
            self.recorded = self.recorded.apply(event)
        if after == self.offset:
            return False
        if after < self.offset:  # a power cut took lines that were known already: begin again
            self.recorded, self.offset = self.folder.run(), 0
            return True
        self.offset, self.heard_at = after, time.monotonic()
        self.recorded = replace(self.recorded, stalled=False)
        if self.recorded.state is not State.QUEUED or any(isinstance(event, Claimed | Interrupted) for event in news):
            self.given_out_at = None  # it was taken, or given back
        return True

    def write(self, event: RunEvent) -> bool:
        """Record an event in the place of the worker that is not there. Raises Unreadable, OSError.

        False when there is one after all, or when its last words have changed what is to be done.
        """
        if not (lock := self.folder.lock()):
            return False
        with lock:
            expected = self.recorded.state
            while self.follow():
                pass
            if self.recorded.state is not expected:
                return False
            writer = EventWriter(self.folder.path)
            writer.write_last_words(event)
            writer.close()
        self.follow()
        return True

    def has_slot(self, executor: Executor) -> bool:
        """Whether it trains, is about to, or has only just ended."""
        state = self.run.state
        if state in (State.STARTING, State.RUNNING) or self.given_out_at is not None:
            return True
        is_fresh = self.slot and state.is_final and time.monotonic() - self.heard_at < LETS_GO_WITHIN
        return bool(is_fresh) and executor.is_at_work(self.folder.path)

    def is_held(self) -> bool:
        """Whether a process has the run's lock now."""
        if lock := self.folder.lock():
            lock.close()
        return lock is None

    def is_taken(self) -> bool:
        """Whether nobody else can have it now."""
        with self.alone():
            return self.is_held()
        return True  # its lock is no file, say

    @property
    def is_ready(self) -> bool:
        """Whether it was whole when it was looked at."""
        return self._is_whole

    def is_whole(self) -> bool:
        """Whether all of it is here: a folder that is being copied in is left alone until nothing in it changes any more.

        Raises Unreadable where that has been so for long, and its events still end before its checkpoints do.
        """
        if self._is_whole:
            return True
        if self.folder.is_original():
            self._is_whole = True
            return True
        now, seen = time.monotonic(), _stamp(self.folder.path)
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        still = now - self._seen_at
        latest = self.folder.latest_kept() if still >= QUIET else 0
        self._is_whole = still >= QUIET and latest <= self.recorded.step
        if latest > self.recorded.step and still >= INCOMPLETE:
            raise Unreadable(
                f"Its events end at step {self.recorded.step:,}, but it has files of step {latest:,}: the copy is incomplete."
            )
        self.recorded = replace(self.recorded, reason="" if self._is_whole else COPIED)
        return self._is_whole


def _stamp(path: Path) -> tuple[int, int, int]:
    """Number, bytes and latest change of all files of a folder."""
    count = size = latest = 0
    for folder, _, names in os.walk(path):
        for name in (".", *names):
            try:
                status = os.lstat(os.path.join(folder, name))  # noqa: PTH118 - thousands of them
            except OSError:
                continue
            count, size, latest = count + 1, size + status.st_size, max(latest, status.st_ctime_ns)
    return count, size, latest

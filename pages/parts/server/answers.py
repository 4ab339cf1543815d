"""Answers that many ask for at once: computed once, kept for a moment, and asked for less often the more there are who ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from fmnist_core.runs import client, people
from fmnist_core.runs.bell import runs_folder

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """Answers by what was asked, each kept for some seconds; where many ask at once, one computes and the others wait."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._answers: dict[Hashable, tuple[float, Answer]] = {}
        self._computing: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()
        self._swept = time.monotonic()

    def found(self, asked: Hashable) -> Answer | None:
        """The answer, if it is fresh. Never waits."""
        at, answer = self._answers.get(asked, (0.0, None))
        return answer if time.monotonic() - at < self.seconds else None

    def get(self, asked: Hashable, compute: Callable[[], Answer]) -> Answer:
        """The answer, computed where it is not fresh. What `compute` raises goes to who has it computed."""
        if (answer := self.found(asked)) is not None:
            return answer
        with self._lock:
            computing = self._computing.setdefault(asked, threading.Lock())
        with computing:
            try:
                if (answer := self.found(asked)) is None:
                    answer = compute()
                    self._keep(asked, answer)
            finally:
                with self._lock:
                    self._computing.pop(asked, None)
        return answer

    def _keep(self, asked: Hashable, answer: Answer) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._swept > self.seconds:
                self._swept = now
                fresh = {other: kept for other, kept in self._answers.items() if now - kept[0] < self.seconds}
                self._answers = fresh  # what is read meanwhile reads the old one
            self._answers[asked] = (now, answer)

    async def soon(self, asked: Hashable, compute: Callable[[], Answer]) -> Answer:
        """As `get`, for the server's own thread: what is not fresh is computed in another one, and holds nobody up."""
        if (answer := self.found(asked)) is not None:
            return answer
        return await run_in_threadpool(self.get, asked, compute)


class Pace:
    """How long those who ask again and again are to wait in between: the more they are, the longer."""

    def __init__(self, least: float, most: float, per_second: float) -> None:
        self.least, self.most, self.per_second = least, most, per_second
        """Seconds in between, and how many may ask in a second before it becomes more than the least."""
        self._pause, self._count, self._since = least, 0, time.monotonic()

    def asked(self) -> float:
        """Somebody asks: seconds until they shall ask again."""
        self._count += 1
        if (passed := time.monotonic() - self._since) >= 1.0:
            followers = self._count / passed * max(self._pause, self.least)
            self._pause = min(max(self.least, followers / self.per_second), self.most)
            self._count, self._since = 0, time.monotonic()
        return self._pause


_sights: Kept[str] = Kept(1.0)


async def sight() -> str:
    """Stands for what whoever asks may see: "" for all runs, else for those of one person."""
    person = people.current()
    if person.role == "teacher":
        return ""
    return await _sights.soon(
        (runs_folder(), person), lambda: "" if client.sees_all() else f"{person.id} {person.name}"
    )

"""How a worker is started and looked after."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.queue import slots_of

RUN, DEVELOP = "run", "develop"
"""What a worker is told through its standard input: the word, a space, and a folder. Its end is that of the dispatcher."""
HEARD, FREE = "heard", "free"
"""What a worker says: that it was given a run, and that nothing of the run is left, so that it can have the next one."""
ANSWERS_WITHIN = 15.0
"""Seconds in which a warm one says that it has heard, also on a busy machine. One that is getting warm imports torch first."""

SPARE_AFTER = 3.0
"""Seconds after a start before the next spare is made, so that one that dies at once is not made again at once."""

MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""For glibc's allocator, others ignore it: keep the memory that a training step frees for the next step. Without it
a step of 256 images gives 14 MB back to the system and gets them again page by page: 3,500 page faults.
"""


class Executor(Protocol):
    """Starts workers somewhere. Whether one lives is told by its run's lock, not by the executor."""

    def start(self, folder: Path, slot: str = "") -> None:
        """Have the run in `folder` trained; "cuda:1" as `slot` is the second GPU. Returns at once."""

    def develop(self, runs: Path) -> None:
        """Have the predictions computed that are missing in the folder of all runs. Returns at once."""

    def is_at_work(self, folder: Path) -> bool:
        """Whether the worker that was started last for the run in `folder` still has to do with it: it has neither ended nor become free."""

    def kill(self, folder: Path) -> None:
        """End the worker that was started last for the run in `folder`, without asking it. Returns when it is gone."""

    def look_after(self, *, spare: bool) -> None:
        """Collect what has ended; with `spare`, see to it that the next start is a quick one."""

    def devices(self) -> tuple[str, ...]:
        """What workers can compute on, such as ("cuda", "cpu"); empty until it is known."""

    def gpus(self) -> int:
        """How many GPUs there are; 0 until it is known."""

    def slots(self, wanted: int | None) -> tuple[str, ...]:
        """Where runs can train, with `wanted` so many of them; none where nothing can train now."""

    def trouble(self) -> str:
        """Why nothing can train: a sentence; empty where something can."""

    def close(self) -> None:
        """Let go. Workers that have a run keep it."""


@dataclass(eq=False)
class Worker:
    """A process that trains one run after another."""

    process: subprocess.Popen[bytes]
    gpu: str = ""
    """The number of the one GPU that it sees; empty: it sees all, and computes on the first one."""
    given_at: float | None = None
    """When it was given a run that it has not heard of yet."""
    warm_at: float | None = None
    """When it was warm, or free again."""
    has_trained: bool = False
    _said: bytes = b""

    def give(self, word: str, folder: Path) -> bool:
        """False where it has died."""
        assert self.process.stdin
        try:
            self.process.stdin.write(f"{word} {folder}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return self.process.poll() is None

    def news(self) -> list[str]:
        """The lines that it has said since the last time."""
        assert self.process.stdout
        *lines, self._said = (self._said + (self.process.stdout.read() or b"")).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def release(self) -> None:
        """It gets nothing more to do, and ends by itself."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    @property
    def has_ended(self) -> bool:
        """Reaped, then, and its pipes closed."""
        if self.process.poll() is None:
            return False
        assert self.process.stdout
        self.release()
        self.process.stdout.close()
        return True


class LocalExecutor:
    """Workers as processes of this machine. Those that wait are warm: one that has finished a run, or the spare.

    A spare has imported torch and taken a first optimizer step, which is what a cold start spends its seconds on.
    """

    def __init__(self, threads: int | None = None, *, reuse: bool = True) -> None:
        self._environment = MEMORY | os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        self._reuse = reuse
        """Whether a worker may have a second run."""
        self._workers: dict[Path, Worker] = {}
        """By what they were given: the folder of a run, or of all runs."""
        self._waiting: list[Worker] = []
        self._leaving: list[Worker] = []
        self._devices: tuple[str, ...] = ()
        self._gpus = 0
        self._last_start = -SPARE_AFTER

    def start(self, folder: Path, slot: str = "") -> None:
        """Give the run to a worker that waits, or to a new one when there is none or when the run needs another GPU."""
        self._last_start = time.monotonic()
        gpu = slot.removeprefix("cuda:") if slot.startswith("cuda:") and slot != "cuda:0" else ""
        for worker in [worker for worker in self._waiting if worker.gpu == gpu]:
            self._waiting.remove(worker)
            if worker.give(RUN, folder):
                worker.given_at, self._workers[folder] = time.monotonic(), worker
                if not self._reuse:
                    worker.release()
                return
            self._leaving.append(worker)
        self._start_cold(folder, gpu)

    def _start_cold(self, folder: Path, gpu: str) -> None:
        self._workers[folder] = worker = Worker(self._popen("--first", str(folder), gpu=gpu), gpu)
        if not self._reuse:
            worker.release()

    def develop(self, runs: Path) -> None:
        """By a worker that has finished a run and has nothing else to do, or by a new one; it ends when nothing is left."""
        for worker in [worker for worker in self._waiting if worker.has_trained]:
            self._waiting.remove(worker)
            if worker.give(DEVELOP, runs):
                self._workers[runs] = worker
                return
            self._leaving.append(worker)
        self._workers[runs] = Worker(self._popen("--develop", str(runs)))

    def is_at_work(self, folder: Path) -> bool:
        """Told by the process."""
        return folder in self._workers

    def kill(self, folder: Path) -> None:
        """By SIGKILL: it may hang."""
        if worker := self._workers.pop(folder, None):
            worker.process.kill()
            worker.process.wait()
            assert worker.has_ended

    def look_after(self, *, spare: bool) -> None:
        """Reap ended workers; hear of those that are free; let those go that are too many; make a spare where one is wanted."""
        for folder, worker in list(self._workers.items()):
            self._look_at(folder, worker)
        for worker in self._waiting:
            self._hear(worker)
        self._waiting = [worker for worker in self._waiting if not worker.has_ended]
        self._leaving = [worker for worker in self._leaving if not worker.has_ended]
        if not spare:
            return
        for worker in self._waiting[:-1]:  # the latest one stays as the spare
            worker.release()
            self._leaving.append(worker)
        del self._waiting[:-1]
        if not self._waiting and time.monotonic() - self._last_start > SPARE_AFTER:
            self._last_start = time.monotonic()
            self._waiting.append(Worker(self._popen("--spare")))

    def _look_at(self, folder: Path, worker: Worker) -> None:
        """One that does not say that it has heard is suspended, or has ended before it took the run: another one takes it."""
        has_ended = worker.process.poll() is not None
        is_free = self._hear(worker)
        given, warm = worker.given_at, worker.warm_at
        is_deaf = given and warm and time.monotonic() - max(given, warm) > ANSWERS_WITHIN
        if has_ended or is_deaf:
            self.kill(folder)
            if worker.given_at is not None:
                self._start_cold(folder, worker.gpu)
        elif is_free:
            del self._workers[folder]
            worker.has_trained = True
            (self._waiting if self._reuse else self._leaving).append(worker)

    def _hear(self, worker: Worker) -> bool:
        """Whether it says that it is free."""
        is_free = False
        for line in worker.news():
            match line:
                case "heard":
                    worker.given_at = None
                case "free":
                    is_free, worker.warm_at = True, time.monotonic()
                case _:
                    worker.warm_at = time.monotonic()
                    with contextlib.suppress(ValueError, KeyError, TypeError):
                        facts = json.loads(line)
                        self._devices, self._gpus = tuple(facts["devices"]), int(facts.get("gpus", 0))
        return is_free

    def devices(self) -> tuple[str, ...]:
        """As the first spare reported them."""
        return self._devices

    def gpus(self) -> int:
        """As the first spare counted them."""
        return self._gpus

    def slots(self, wanted: int | None) -> tuple[str, ...]:
        """Those of this machine."""
        return slots_of(self._gpus, wanted)

    def trouble(self) -> str:
        """None: we are on it."""
        return ""

    def close(self) -> None:
        """Workers that wait end when their standard input does; one that has trained may compute predictions first."""
        for worker in self._waiting:
            worker.release()
        for worker in self._waiting:
            try:
                worker.process.wait(2)
            except subprocess.TimeoutExpired:
                if not worker.has_trained:
                    worker.process.terminate()

    def _popen(self, *arguments: str, gpu: str = "") -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "fmnist_core.runs.service.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env=self._environment | ({"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}),
            start_new_session=True,  # a Ctrl-C meant for the web server is not meant for a run
        )
        assert process.stdout
        os.set_blocking(process.stdout.fileno(), False)
        return process

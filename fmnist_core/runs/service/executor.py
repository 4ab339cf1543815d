"""How a worker is started and looked after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Protocol

from fmnist_core.runs.bell import REPOSITORY

HEARD = b"heard"
"""What a spare says when it was given a run."""
ANSWERS_WITHIN = 15.0
"""Seconds in which it says so, also on a busy machine."""

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
        """Whether the worker that was started last for the run in `folder` has not ended yet."""

    def kill(self, folder: Path) -> None:
        """End the worker that was started last for the run in `folder`, without asking it. Returns when it is gone."""

    def look_after(self, *, spare: bool) -> None:
        """Collect what has ended; with `spare`, see to it that the next start is a quick one."""

    def devices(self) -> tuple[str, ...]:
        """What workers can compute on, such as ("cuda", "cpu"); empty until it is known."""

    def gpus(self) -> int:
        """How many GPUs there are; 0 until it is known."""

    def close(self) -> None:
        """Let go. Workers that have a run keep it."""


class LocalExecutor:
    """Workers as processes of this machine, and one warm spare among them.

    A spare has imported torch and taken a first optimizer step, which is what a cold start spends its seconds on.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._environment = MEMORY | os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        self._workers: dict[Path, subprocess.Popen[bytes]] = {}
        self._spare: subprocess.Popen[bytes] | None = None
        self._devices: tuple[str, ...] = ()
        self._gpus = 0
        self._heard = b""
        self._last_start = -SPARE_AFTER
        self._given: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}
        """Spares that were given a run and have not said yet that they have heard of it, and when it was given."""

    def start(self, folder: Path, slot: str = "") -> None:
        """Give the run to the spare, or to a new worker when there is none or when the run needs another GPU."""
        self._last_start = time.monotonic()
        others = slot.startswith("cuda:") and slot != "cuda:0"  # GPU; the spare is warm on the first one
        spare = None if others else self._spare
        if spare:
            self._spare = None
        if spare and spare.poll() is None:
            assert spare.stdin
            try:
                spare.stdin.write(f"{folder}\n".encode())
                spare.stdin.close()
            except BrokenPipeError:
                pass  # it died just now
            else:
                self._workers[folder], self._given[folder] = spare, (spare, time.monotonic())
                return
        gpu = {"CUDA_VISIBLE_DEVICES": slot.removeprefix("cuda:")} if others else {}
        self._workers[folder] = self._popen(str(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, extra=gpu)

    def develop(self, runs: Path) -> None:
        """A process of its own, which ends when there is nothing left to do."""
        self._workers[runs] = self._popen(
            "--develop", str(runs), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, extra={}
        )

    def is_at_work(self, folder: Path) -> bool:
        """Told by the process."""
        return folder in self._workers

    def kill(self, folder: Path) -> None:
        """By SIGKILL: it may hang."""
        self._given.pop(folder, None)
        if worker := self._workers.pop(folder, None):
            worker.kill()
            worker.wait()

    def look_after(self, *, spare: bool) -> None:
        """Reap ended workers; make a spare where one is wanted and missing; hear which devices there are."""
        self._look_at_given()
        self._workers = {folder: worker for folder, worker in self._workers.items() if worker.poll() is None}
        if self._spare and self._spare.poll() is not None:
            self._spare = None
        if spare and not self._spare and time.monotonic() - self._last_start > SPARE_AFTER:
            self._last_start = time.monotonic()
            self._spare = self._popen("--spare", stdin=subprocess.PIPE, stdout=subprocess.PIPE, extra={})
            assert self._spare.stdout
            os.set_blocking(self._spare.stdout.fileno(), False)
            self._heard = b""
        if self._spare:
            self._listen(self._spare.stdout)

    def _look_at_given(self) -> None:
        """A spare that does not say that it has heard of its run is suspended: another worker takes the run in its place."""
        for folder, (spare, given_at) in list(self._given.items()):
            assert spare.stdout
            if spare.poll() is not None or HEARD in (spare.stdout.read() or b""):
                del self._given[folder]
                spare.stdout.close()
            elif time.monotonic() - given_at > ANSWERS_WITHIN and self._workers.get(folder) is spare:
                del self._given[folder]
                self.kill(folder)
                self._workers[folder] = self._popen(
                    str(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, extra={}
                )

    def _listen(self, pipe: IO[bytes] | None) -> None:
        assert pipe
        self._heard += pipe.read() or b""
        for line in self._heard.splitlines():
            try:
                facts = json.loads(line)
                self._devices, self._gpus = tuple(facts["devices"]), int(facts.get("gpus", 0))
            except (ValueError, KeyError, TypeError):
                continue

    def devices(self) -> tuple[str, ...]:
        """As the first spare reported them."""
        return self._devices

    def gpus(self) -> int:
        """As the first spare counted them."""
        return self._gpus

    def close(self) -> None:
        """The spare ends when its standard input does."""
        if self._spare and self._spare.stdin:
            self._spare.stdin.close()
            try:
                self._spare.wait(2)
            except subprocess.TimeoutExpired:
                self._spare.terminate()

    def _popen(self, *arguments: str, stdin: int, stdout: int, extra: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "fmnist_core.runs.service.worker", *arguments],
            stdin=stdin,
            stdout=stdout,
            cwd=REPOSITORY,
            env=self._environment | extra,
            start_new_session=True,  # a Ctrl-C meant for the web server is not meant for a run
        )

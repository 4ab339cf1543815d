"""A dispatcher whose workers are forks of it, so that torch is imported once and dozens of workers can die in a minute.

    python -m tests.runs.forking_dispatcher RUNS_FOLDER
    python -m tests.runs.forking_dispatcher    one for each folder that comes on standard input: see tests/dispatchers.py

The dispatcher and the worker are the real ones, and each worker is a process of its own; only the way in which it is
started differs. The first worker of a run that is named "dies at N" kills itself with SIGKILL at its N-th operation on
the disk; that of a run named "no room for FILE" finds the disk full for it; that of one named "leaves its mark" does.
With FEW_IMAGES in the environment runs have that many images, and an event for each step.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import IO, Any

import torch

from fmnist_core import files
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.format import to_json
from fmnist_core.runs.files.record import Finished, RunEvent
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service import dispatcher, place, worker
from fmnist_core.runs.service.executor import RUN, LocalExecutor
from fmnist_core.training import loop
from fmnist_core.training.state import TrainingData

dispatcher.STALLED_AFTER = 4.0  # instead of 30: tests wait for it
dispatcher.DEVELOP_AGAIN = 1.0
place.watches_program = False  # a test must not end because somebody edits


WARM: TrainingData | None = None


class Fork:
    """A forked process in the place of a `subprocess.Popen`."""

    def __init__(self, arguments: tuple[str, ...], data: TrainingData | None) -> None:
        (orders, stdin), (stdout, answers) = os.pipe(), os.pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(orders, 0)
            os.dup2(answers, 1)
            os._exit(live(arguments, data))
        os.close(orders)
        os.close(answers)
        self.stdin, self.stdout = open(stdin, "wb"), open(stdout, "rb", buffering=0)  # noqa: SIM115
        os.set_blocking(stdout, False)

    def poll(self) -> int | None:
        if self.returncode is None and (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            self.returncode = os.waitstatus_to_exitcode(ended[1])
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        until = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired("fork", timeout)
            time.sleep(0.005)
        return status

    def kill(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


class ForkExecutor(LocalExecutor):
    """Needs no spare: a fork is warm."""

    def __init__(self, threads: int | None = None, *, reuse: bool = True) -> None:
        super().__init__(threads, reuse=reuse)
        self.data = WARM or worker.get_warm()
        if self.data and (few := int(os.environ.get("FEW_IMAGES", "0"))):
            self.data = TrainingData(
                self.data.images[:few], self.data.labels[:few], self.data.test_images[:few], self.data.test_labels[:few]
            )
            loop.NEWS_EVERY = 0.0
        self._devices = ("cpu",)

    def look_after(self, *, spare: bool) -> None:
        super().look_after(spare=spare and bool(self._waiting))

    def _popen(self, *arguments: str, gpu: str = "") -> Any:
        return Fork(arguments, self.data)


class Worker(worker.Worker):
    """Dies, or finds the disk full, where the name of the run says so."""

    def train(self, run: RunFolder) -> int:
        for module, name, usual in USUAL:
            setattr(module, name, usual)
        if not list(run.events()):
            if name := re.fullmatch(r"dies at (\d+)", run.run().name):
                die_at(int(name[1]))
            if full := re.fullmatch(r"no room for (.+)", run.run().name):
                refuse(full[1])
            if run.run().name == "leaves its mark":
                leave_a_mark()
        return super().train(run)


def live(arguments: tuple[str, ...], data: TrainingData | None) -> int:
    """The child's life; returns its exit status."""
    try:
        os.closerange(3, 1024)  # the dispatcher's lock among them
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
        child = Worker(data)
        if arguments[0] == "--develop":
            return child.develop(Path(arguments[1]))
        return child.serve(f"{RUN} {arguments[1]}")
    except SystemExit as end:
        return int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1


USUAL = [
    (EventWriter, "write", EventWriter.write),
    (files, "open", open),
    (os, "fsync", os.fsync),
    (os, "replace", os.replace),
]
"""What a run's worker that dies or finds the disk full has otherwise: the next run in the process must not feel it."""


def refuse(name: str) -> None:
    """From now on the disk is full for every file of this name."""
    replace = os.replace

    def replace_or_refuse(source: Path, target: Path) -> None:
        if Path(target).name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    os.replace = replace_or_refuse  # type: ignore[assignment]


def leave_a_mark() -> None:
    """The run's last event changes a setting that all of the process shares."""
    write = EventWriter.write

    def write_and_change(self: EventWriter, event: RunEvent, *, durable: bool = False) -> None:
        write(self, event, durable=durable)
        if isinstance(event, Finished):
            torch.set_default_dtype(torch.float64)

    EventWriter.write = write_and_change  # type: ignore[method-assign]


def die_at(number: int) -> None:
    """Let this process kill itself at its `number`-th operation on the disk, counted from 0.

    Operations are: an event is written (it dies after half of the line), is written (it dies after all of it), a file is
    opened to be written (it dies after the first bytes), is synced, is renamed.
    """
    count = 0

    def next_operation() -> bool:
        nonlocal count
        count += 1
        return count == number + 1

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    write, fsync, replace = EventWriter.write, os.fsync, os.replace

    def write_or_die(self: EventWriter, event: RunEvent, *, durable: bool = False) -> None:
        line = to_json(event).encode() + b"\n"
        if next_operation():
            self._file.write(line[: len(line) // 2])
            die()
        write(self, event, durable=durable)
        if next_operation():
            die()

    def open_or_die(path: Path, mode: str = "r", **options: int) -> IO[Any]:
        file = open(path, mode, **options)  # noqa: SIM115 - it is handed on
        if mode == "xb" and next_operation():
            file.write(b"half")
            file.flush()
            die()
        return file

    def fsync_or_die(descriptor: int) -> None:
        if next_operation():
            die()
        fsync(descriptor)

    def replace_or_die(source: Path, target: Path) -> None:
        if next_operation():
            die()
        replace(source, target)

    EventWriter.write = write_or_die  # type: ignore[method-assign]
    files.open = open_or_die  # type: ignore[attr-defined]
    os.fsync = fsync_or_die
    os.replace = replace_or_die  # type: ignore[assignment]


def bear() -> None:
    """A dispatcher for each runs folder whose name comes in; a name that comes again ends that one, and the end of input all others.

    Answers each line.
    """
    global WARM
    WARM, children = worker.get_warm(), {}
    for line in sys.stdin:
        if child := children.pop(folder := line.rstrip("\n"), None):
            os.kill(child, signal.SIGTERM)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        elif child := os.fork():
            children[folder] = child
            print("started", flush=True)
        else:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            log = os.open(Path(folder) / "dispatcher.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os._exit(dispatcher.main([folder]))
    for child in children.values():
        os.kill(child, signal.SIGTERM)
    for child in children.values():
        os.waitpid(child, 0)


if __name__ == "__main__":
    dispatcher.LocalExecutor = ForkExecutor  # type: ignore[misc, assignment]
    sys.exit(dispatcher.main(sys.argv[1:]) if sys.argv[1:] else bear())

"""Real runs in a folder of their own: real processes, ended for real, and none of them left over afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.data.dataset import data_folder
from fmnist_core.runs import bell, client
from fmnist_core.runs.bell import LOCK, REPOSITORY
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Claimed, Run, RunEvent, State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses, Measured

SMALL = TrainingConfig(
    device="cpu", batch_size=600, epochs=1, learning_rate=0.1, conv1_channels=2, conv2_channels=2, hidden_units=10
)
"""All 60,000 images, but so small a network that an epoch takes about a second on one thread; it learns a little."""
LONGER = replace(SMALL, epochs=2)
"""Long enough to be disturbed in the middle: 200 steps."""

PATIENCE = 90.0
"""Seconds after which something that should happen counts as not happening, also on a busy machine."""


class Lab:
    """A runs folder and the processes that belong to it."""

    def __init__(self, runs: Path) -> None:
        if not Path("/proc/self/environ").exists():
            pytest.skip("these tests find the processes that they started through /proc")
        self.runs = runs
        self.children: list[subprocess.Popen[bytes]] = []

    # --- Doing -----------------------------------------------------------------------------------------------------

    def python(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A Python process of this lab, with its output caught."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=REPOSITORY,
            env=self.environment | environment,
            start_new_session=True,
        )
        self.children.append(process)
        return process

    def start_dispatcher(self, program: str = "", **environment: str) -> subprocess.Popen[bytes]:
        """A dispatcher, once it has the lock; `program` runs first in its process, to shorten a waiting time, say."""
        program += (
            "\nimport sys; from fmnist_core.runs.service import dispatcher; sys.exit(dispatcher.main(sys.argv[1:]))"
        )
        process, lock = self.python("-c", program, str(self.runs), **environment), self.runs / LOCK
        wait_until(lambda: lock.exists() and is_locked(lock))
        return process

    def start_forking_dispatcher(self, **environment: str) -> subprocess.Popen[bytes]:
        """A dispatcher whose workers start in no time."""
        environment["CUDA_VISIBLE_DEVICES"] = ""  # a process that has used CUDA cannot fork
        process = self.python("-m", "tests.runs.forking_dispatcher", str(self.runs), **environment)
        lock = self.runs / LOCK
        wait_until(lambda: lock.exists() and is_locked(lock))
        return process

    def start_worker(self, run: RunFolder) -> subprocess.Popen[bytes]:
        """A worker without a dispatcher."""
        return self.python("-m", "fmnist_core.runs.service.worker", str(run.path))

    def create(self, config: TrainingConfig, name: str = "") -> RunFolder:
        """A run that waits for a dispatcher: nothing is started."""
        self.runs.mkdir(parents=True, exist_ok=True)
        return RunFolder.create(self.runs, os.urandom(6).hex(), next_sequence(self.runs), name, config)

    def start(self, config: TrainingConfig, name: str = "") -> RunFolder:
        """What the button does."""
        return RunFolder(self.runs / client.start(config, name))

    def kill_worker(self, run: RunFolder) -> int:
        """SIGKILL; returns when the process is gone, with the id that it had."""
        pid = worker_of(run)
        assert pid in self.processes(), "the worker had ended already"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
        return pid

    def kill_dispatcher(self) -> int:
        """SIGKILL to its whole process group; returns when the process is gone, with the id that it had."""
        pid = self.dispatcher
        assert pid
        os.killpg(pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(pid))
        return pid

    # --- Looking ---------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """One thread, so that results are the same bit for bit; the mark by which `processes` knows its own."""
        return dict(os.environ) | {
            "FMNIST_RUNS": str(self.runs),
            "FMNIST_DATA": str(data_folder()),
            "OMP_NUM_THREADS": "1",
            "FMNIST_SNAPSHOTS": os.environ.get("FMNIST_SNAPSHOTS", "0"),  # tests of them ask for some
            "PYTHONPATH": str(REPOSITORY),
        }

    def wait(self, run: RunFolder, *states: State, seconds: float = PATIENCE) -> Run:
        """The run once it is in one of these states, as a page sees it."""
        found = None

        def is_there() -> bool:
            nonlocal found
            found = client.get(run.id)
            return found.state in states

        wait_until(is_there, seconds, lambda: f"{found}\n{self.log}")
        assert found
        return found

    def wait_for_steps(self, run: RunFolder, steps: int) -> None:
        """Until that many steps are recorded; asks nobody, so it wakes nobody."""
        wait_until(lambda: recorded(run).step >= steps, PATIENCE, lambda: f"{recorded(run)}\n{self.log}")

    @property
    def log(self) -> str:
        """What dispatchers that a client started have printed."""
        path = self.runs / "dispatcher.log"
        return path.read_text() if path.exists() else ""

    @property
    def dispatcher(self) -> int | None:
        """The process that holds the dispatcher's lock: of this lab, with the file open, and the lock is taken."""
        lock = (self.runs / LOCK).resolve()
        if not lock.exists() or not is_locked(lock):
            return None
        return next((pid for pid in self.processes() if lock in open_files(pid) and "dispatcher" in command(pid)), None)

    @property
    def spares(self) -> list[int]:
        """The warm spare's process, and workers that began as one."""
        return [pid for pid in self.processes() if command(pid).endswith("--spare")]

    def processes(self) -> list[int]:
        """Everything alive that was started for this folder: its environment names it."""
        mark = f"FMNIST_RUNS={self.runs}".encode()
        found = []
        for entry in os.scandir("/proc"):
            if entry.name.isdecimal() and int(entry.name) != os.getpid():
                try:
                    if mark in Path(entry.path, "environ").read_bytes().split(b"\0") and is_alive(int(entry.name)):
                        found.append(int(entry.name))
                except OSError:
                    continue  # ended, or not ours
        return found

    def close(self) -> None:
        """End all of them."""
        started, _at = bell._started.pop(self.runs, (None, 0.0))
        for child in [*self.children, *([started] if started else [])]:
            child.kill()  # by its handle: just after its birth it has not got its environment yet
            child.wait(PATIENCE)
        for _attempt in range(100):
            if not (left := self.processes()):
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.05)
        assert not self.processes()
        for child in self.children:
            child.communicate()  # nobody holds the other ends of its pipes any more


# --- Looking at processes and runs ---------------------------------------------------------------------------------


def wait_until(
    condition: Callable[[], object], seconds: float = PATIENCE, tell: Callable[[], object] = lambda: ""
) -> None:
    """Return as soon as `condition` holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s. {tell()}"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it runs or could; a process that is only waiting to be reaped does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def command(pid: int) -> str:
    """The command line, words separated by spaces."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return ""


def open_files(pid: int) -> set[Path]:
    """The files that a process has open."""
    found = set()
    try:
        for entry in os.scandir(f"/proc/{pid}/fd"):
            found.add(Path(entry.path).readlink())
    except OSError:
        pass  # ended
    return found


def is_locked(path: Path) -> bool:
    """Whether a process holds the file's lock, told by the kernel's list: trying it could disturb somebody."""
    inode = str(path.stat().st_ino)
    return any(line.split()[5].endswith(f":{inode}") for line in Path("/proc/locks").read_text().splitlines())


def delete_by_hand(run: RunFolder) -> None:
    """What `rm -rf` does, again until nothing is left: those who look after the run may be writing in its folder."""

    def is_gone() -> bool:
        shutil.rmtree(run.path, ignore_errors=True)
        return not run.path.exists()

    wait_until(is_gone)


def events(run: RunFolder, *kinds: type[RunEvent]) -> list[RunEvent]:
    """What is recorded, of these kinds or all."""
    return [event for event in run.events() if not kinds or isinstance(event, kinds)]


def recorded(run: RunFolder) -> Run:
    """The run as its folder tells it, without the index and without waking anybody."""
    return run.run().apply_all(run.events())


def worker_of(run: RunFolder) -> int:
    """The process that took the run last."""
    return next(event.pid for event in reversed(events(run)) if isinstance(event, Claimed))


def steps_recorded(run: RunFolder) -> list[int]:
    """The number of each step that a loss is recorded for, in the order of the file."""
    return [
        number
        for event in run.events()
        if isinstance(event, Losses)
        for number in range(event.step + 1, event.step + len(event.losses) + 1)
    ]


def assert_same_result(run: RunFolder, other: RunFolder) -> None:
    """Every step present once; losses, measurements, logits and weights equal bit for bit."""
    assert recorded(run).state == recorded(other).state == State.FINISHED
    assert steps_recorded(run) == list(range(1, recorded(other).steps + 1))
    assert run.losses().tobytes() == other.losses().tobytes()
    measured, expected = events(run, Measured), events(other, Measured)
    assert [replace(event, seconds=0) for event in measured] == [replace(event, seconds=0) for event in expected]
    assert run.logit_steps() == other.logit_steps()
    for step in other.logit_steps():
        assert run.logits(step).tobytes() == other.logits(step).tobytes()
    assert_same_weights(run, other)


def assert_same_weights(run: RunFolder, other: RunFolder) -> None:
    """The newest checkpoints are of one step, and equal bit for bit."""
    ours, theirs = run.read_checkpoint(), other.read_checkpoint()
    assert ours
    assert theirs
    assert ours[1] == theirs[1]
    assert ours[0].keys() == theirs[0].keys()
    for name, tensor in theirs[0].items():
        assert ours[0][name].equal(tensor), name

"""The processes that belong to a runs folder, found through /proc (Linux), and waiting for what they do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks import turns
from fmnist_core.runs import client
from fmnist_core.runs.service import features
from fmnist_core.settings.config import TrainingConfig

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
    """No dispatcher, no worker, nobody who computes predictions or maps: on a busy machine they take minutes to end by themselves."""
    for pid, command in processes().items():
        if "fmnist_core.runs.service." in command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    wait_until(lambda: not processes(), "the end of the dispatcher")


GUARD = """
import os, shutil, signal, sys
from pathlib import Path
sys.stdin.read()  # until whoever has started this is gone, in whatever way
folder = sys.argv[1]
mark = f"FMNIST_RUNS={folder}".encode()
for entry in Path("/proc").iterdir():
    try:
        settings = (entry / "environ").read_bytes().split(b"\\0") if entry.name.isdecimal() else []
        if any(setting == mark or setting.startswith(mark + b"/") for setting in settings):
            os.kill(int(entry.name), signal.SIGKILL)
    except OSError:
        continue
shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def own_runs() -> Iterator[Path]:
    """$FMNIST_RUNS is a folder that goes with this program, and so does all that works there, also where this program is killed.

    Runs go on when pages end, and so does the dispatcher: that is their purpose. A guard ends them that is told by the end of a pipe.
    """
    os.environ["FMNIST_RUNS"] = folder = tempfile.mkdtemp()
    command = [sys.executable, "-c", GUARD, folder]
    clean = {name: value for name, value in os.environ.items() if name != "FMNIST_RUNS"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, env=clean, start_new_session=True
    ):  # leaving it closes the pipe, and waits
        try:
            yield Path(folder)
        finally:
            end_dispatcher()


def cpu(pid: int) -> float:
    """Seconds of a processor that a process has taken; 0.0 where it is gone (Linux)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # what clock_getcpuclockid(3) gives
    except OSError:
        return 0.0


@contextmanager
def trained_run(developed: bool = False) -> Iterator[str]:
    """The id of a run of one epoch with its last predictions and hidden layer, those of all its moments where they are `developed`.

    $FMNIST_RUNS is its folder meanwhile, and stays so. `make bench` trains it once for all that look at one: in $BENCH_RUNS,
    which it removes at the end. Where it has to be quick, the run has fewer moments.
    """
    if turns.IS_QUICK:
        os.environ.setdefault("FMNIST_SNAPSHOTS", "30")
    shared = os.environ.get("BENCH_RUNS")
    os.environ["FMNIST_RUNS"] = folder = shared or tempfile.mkdtemp()
    try:
        known = [run.id for run in client.list_runs() if run.state.is_final]
        run_id = known[0] if known else client.start(TrainingConfig(epochs=1), "Measured")
        wait_until(lambda: client.get(run_id).state.is_final, "the end of training")
        if developed:
            wait_until(lambda: client.folder(run_id).snapshots.is_developed, "the predictions of its snapshots")
        last = client.get(run_id).step
        wait_until(lambda: features.begin(client.folder(run_id), last) == "ready", "its hidden layer")
        yield run_id
    finally:
        end_dispatcher()
        if not shared:
            shutil.rmtree(folder, ignore_errors=True)

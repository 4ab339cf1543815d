"""Disks that are full or read-only, folders that are no runs, clocks that jump."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.files import folder
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import State
from tests.runs.lab import LONGER, PATIENCE, SMALL, Lab, assert_same_result, events, recorded

DISK_FULL = "The disk is full: make room, then resume. Training goes on from the last checkpoint."

# --- A real file system of its own ---------------------------------------------------------------------------------


@pytest.mark.thorough
@pytest.mark.parametrize(("size", "tests"), [("8m", "full"), ("1g", "read_only")])
def test_on_a_file_system_of_its_own(tmp_path: Path, size: str, tests: str):
    """The tests of on_its_own_disk.py pass on a small disk and on a read-only one, mounted for them alone."""
    mount = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"'
    in_namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, size, str(tmp_path)]
    try:
        tried = subprocess.run([*in_namespace, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare(1) to mount a file system with")
    if tried.returncode:
        pytest.skip(f"this machine allows no mount in a user namespace: {tried.stderr.strip()}")
    inner_pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'disk'}"]
    inner = subprocess.run(
        [*in_namespace, *inner_pytest, "tests/runs/on_its_own_disk.py", "-k", tests],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert inner.returncode == 0, inner.stdout + inner.stderr
    assert " passed" in inner.stdout


# --- Without one ---------------------------------------------------------------------------------------------------


def test_no_room_for_a_checkpoint(lab: Lab, undisturbed: RunFolder):
    """When a checkpoint does not fit, the run pauses; resumed, it comes to the same result."""
    run = lab.start(LONGER, "no room for 00000100.safetensors")
    paused = lab.wait(run, State.PAUSED)
    assert paused.reason == DISK_FULL
    assert paused.step == 100
    assert [path.name for path in (run.path / "checkpoints").iterdir()] == ["00000000.safetensors"]
    client.resume(run.id)
    assert lab.wait(run, State.FINISHED).deaths == 0
    assert_same_result(run, undisturbed)


@pytest.mark.thorough
def test_no_room_for_logits(lab: Lab, undisturbed: RunFolder):
    """When the predictions after an epoch do not fit, the measurement is not recorded; resumed, it is made again."""
    run = lab.start(LONGER, "no room for 00000100.npy")
    paused = lab.wait(run, State.PAUSED)
    assert paused.reason == DISK_FULL
    assert run.logit_steps() == [measured.step for measured in paused.measured] == [0]
    client.resume(run.id)
    lab.wait(run, State.FINISHED)
    assert_same_result(run, undisturbed)


def test_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch):
    """Where nobody can write, not even root, the list is empty and starting says why it cannot."""
    monkeypatch.setenv("FMNIST_RUNS", "/proc/fashion-mnist-runs")
    assert client.list_runs() == []
    assert client.devices() == ("cpu",)
    with pytest.raises(client.RunNotFound):
        client.get("0123456789ab")
    with pytest.raises(client.RunRefused) as error:
        client.start(SMALL)
    sentence = "A run cannot be started: /proc/fashion-mnist-runs cannot be written to (No such file or directory)."
    assert str(error.value) == sentence


# --- Strangers -----------------------------------------------------------------------------------------------------


def test_folders_that_are_no_runs(own_lab: Lab):
    """What is in the runs folder and is no run is not shown, not touched, and named in the log once."""
    runs = own_lab.runs
    run = own_lab.create(SMALL)
    run.ask("stop")
    good = json.loads((run.path / "config.json").read_text())
    strangers = {
        "holiday pictures": None,
        "0123456789AB": json.dumps(good),
        "000000000001": None,
        "000000000002": "{",
        "000000000003": "[1, 2]",
        "000000000004": "\0" * 300,
        "000000000005": json.dumps(good | {"config": good["config"] | {"colour": "red"}}),
        "000000000006": json.dumps(good | {"config": good["config"] | {"epochs": 0}}),
        "000000000007": json.dumps(good | {"sequence": None}),
    }
    for name, content in strangers.items():
        (runs / name).mkdir()
        if content is not None:
            (runs / name / "config.json").write_text(content)
    (runs / "000000000008").write_text("a file")
    (runs / "000000000009").symlink_to("/nowhere")
    dispatcher = own_lab.start_dispatcher()
    own_lab.wait(run, State.STOPPED)
    assert [listed.id for listed in client.list_runs()] == [run.id]
    for name in strangers:
        with pytest.raises(client.RunNotFound, match=r"^No such run[.:] "):
            client.get(name)
    dispatcher.send_signal(signal.SIGTERM)
    log = dispatcher.communicate(timeout=PATIENCE)[1].decode()
    assert dispatcher.returncode == 0
    for name, content in strangers.items():
        assert log.count(f"{runs / name} is not a run: ") == 1
        assert [path.name for path in (runs / name).iterdir()] == ([] if content is None else ["config.json"])
    assert "unknown setting 'colour'" in log
    assert "Traceback" not in log


# --- Clocks --------------------------------------------------------------------------------------------------------

JUMPING = """
from itertools import count
import time
from fmnist_core.runs.service import dispatcher
from tests.runs.forking_dispatcher import ForkExecutor
dispatcher.LocalExecutor = ForkExecutor
real, calls = time.time, count()
time.time = lambda: real() + (-1) ** next(calls) * 365 * 86400
"""
"""In dispatcher and workers, the wall clock is a year off, forwards and backwards in turn."""


class Backwards(datetime):
    """A clock on which each look is an hour before the last."""

    looks = 0

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        cls.looks += 1
        return datetime(2026, 1, 1, tzinfo=UTC) - timedelta(hours=cls.looks)


@pytest.mark.thorough
def test_clock_jumps(own_lab: Lab, monkeypatch: pytest.MonkeyPatch):
    """When the wall clock jumps, runs keep the order in which they were started, and durations stay right."""
    monkeypatch.setattr(folder, "datetime", Backwards)
    began = time.monotonic()
    runs = [own_lab.create(SMALL) for _ in range(2)]
    own_lab.start_dispatcher(JUMPING, CUDA_VISIBLE_DEVICES="")
    found = [own_lab.wait(run, State.FINISHED) for run in runs]
    passed = time.monotonic() - began
    assert found[0].created_at > found[1].created_at
    assert [listed.id for listed in client.list_runs()] == [run.id for run in reversed(runs)]
    firsts = [(run.path / "worker.lock").stat().st_ctime_ns for run in runs]
    assert firsts == sorted(firsts), "trained in the order in which they were started"
    for run in found:
        assert 0 < run.seconds < passed
        assert not run.stalled
        seconds = [event.seconds for event in events(RunFolder(own_lab.runs / run.id)) if hasattr(event, "seconds")]
        assert seconds == sorted(seconds)


def test_number_file_lost(own_lab: Lab):
    """When the file with the last run's number is lost or damaged, numbers go on after the highest there is."""
    first, second = own_lab.create(SMALL), own_lab.create(SMALL)
    for damaged in (b"", b"two", b"\xff\xfe"):
        (own_lab.runs / ".sequence").write_bytes(damaged)
        assert next_sequence(own_lab.runs) == 3
    (own_lab.runs / ".sequence").unlink()
    third = own_lab.create(SMALL)
    assert [recorded(run).sequence for run in (first, second, third)] == [1, 2, 3]

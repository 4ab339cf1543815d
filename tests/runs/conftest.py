"""Runs folders for tests, and the run that others are compared with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.training import loop
from fmnist_core.training.state import TrainingData
from tests.runs.lab import LONGER, Lab, recorded, wait_until

FINAL = [state for state in State if state.is_final]


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(tmp_path_factory.mktemp("lab") / "runs")
    lab.runs.mkdir()
    lab.start_forking_dispatcher()
    yield lab
    lab.close()


@pytest.fixture
def lab(shared_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """One for all tests that do not disturb its dispatcher; its workers start in no time."""
    _enter(shared_lab, monkeypatch)
    yield shared_lab
    for run in client.list_runs():  # left by a test that failed
        with suppress(client.RunNotFound):
            if not run.state.is_final:
                client.stop(run.id)
                shared_lab.wait(client.folder(run.id), *FINAL)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where mirrored runs make their folders."""
    (there := tmp_path / "there").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(there))
    return there


@pytest.fixture(scope="session")
def undisturbed(shared_lab: Lab) -> RunFolder:
    """The run LONGER, which nobody disturbs: what every disturbed one must come to."""
    run = shared_lab.create(LONGER, "undisturbed")
    wait_until(lambda: recorded(run).state == State.FINISHED)
    return run


@pytest.fixture
def own_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """One for this test alone, empty, without a dispatcher."""
    lab = Lab(tmp_path / "runs")
    _enter(lab, monkeypatch)
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def little() -> TrainingData:
    """500 real images to train on, 200 to test on."""
    data = TrainingData.load(torch.device("cpu"))
    return TrainingData(data.images[:500], data.labels[:500], data.test_images[:200], data.test_labels[:200])


@pytest.fixture
def one_thread_an_event_for_each_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """So that a test can stop anywhere; nobody looks after the runs but the test."""
    monkeypatch.setattr(loop, "NEWS_EVERY", 0.0)
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    monkeypatch.setenv("FMNIST_SNAPSHOTS", "12")
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _enter(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in lab.environment.items():
        monkeypatch.setenv(name, value)

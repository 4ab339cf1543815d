"""Real runs of a few dozen steps, trained in this process by the worker's own recorder: no dispatcher is needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.bell import BELL
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Claimed, Moment, Run
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Changed

if TYPE_CHECKING:
    from fmnist_core.training.loop import TrainingData

SMALL: dict[str, Any] = {
    "device": "cpu",
    "batch_size": 1000,
    "epochs": 1,
    "learning_rate": 0.1,
    "conv1_channels": 3,
    "conv2_channels": 4,
    "hidden_units": 12,
}
"""60 steps an epoch; it learns a little."""


OPEN = Group("sweep", "00000000cafe")
"""A sweep in which nothing has been chosen."""


@dataclass
class Workshop:
    """A runs folder in which this process is the worker."""

    runs: Path
    data: TrainingData | None = None
    trained: dict[str, Run] = field(default_factory=dict)

    def train(
        self,
        name: str,
        parent: Moment | None = None,
        planned: Sequence[Changed] = (),
        group: Group | None = None,
        *,
        compiled: bool = False,
        ends: str = "finished",
        tested_on: int = 10_000,
        **settings: object,
    ) -> Run:
        """A run of that name, once: the same one for every test that asks for it; the largest networks take 7 ms a test image."""
        if name in self.trained:
            return self.trained[name]
        import torch

        from fmnist_core.runs.service.recorder import Recorder
        from fmnist_core.training.loop import TrainingData

        whole = self.data = self.data or TrainingData.load(torch.device("cpu"))
        data = replace(whole, test_images=whole.test_images[:tested_on], test_labels=whole.test_labels[:tested_on])
        number = len(self.trained) + 1
        checkpoint = RunFolder(self.runs / parent.run_id).checkpoint(parent.step) if parent else None
        config = TrainingConfig(**(SMALL | settings))  # type: ignore[arg-type]
        folder = RunFolder.create(
            self.runs,
            f"{number:012x}",
            number,
            name,
            config,
            parent=parent,
            planned=planned,
            group=group,
            checkpoint=checkpoint,
            engine="compiled" if compiled else "torch",
        )
        with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
            patch.setenv("FMNIST_SNAPSHOTS", "4")
            patch.setenv("FMNIST_COMPILED", "1" if compiled else "0")
            lock = folder.lock()
            assert lock
            with lock:
                writer = EventWriter(folder.path)
                writer.write(claimed := Claimed(os.getpid()))
                Recorder(folder, writer, folder.run().apply(claimed)).train(data)
                writer.close()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FMNIST_RUNS", str(self.runs))
            self.trained[name] = client.get(folder.id)
        assert self.trained[name].state == ends, self.trained[name].reason
        return self.trained[name]


@pytest.fixture(scope="session")
def whole_workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    runs = tmp_path_factory.mktemp("workshop") / "runs"
    runs.mkdir()
    with_ear(runs)
    return Workshop(runs)


@pytest.fixture
def workshop(whole_workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """The runs folder that the core reads, for all tests."""
    monkeypatch.setenv("FMNIST_RUNS", str(whole_workshop.runs))
    return whole_workshop


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty runs folder, as on another machine."""
    runs = tmp_path / "elsewhere"
    runs.mkdir()
    with_ear(runs)
    monkeypatch.setenv("FMNIST_RUNS", str(runs))
    return runs


def with_ear(runs: Path) -> None:
    """Somebody listens to the bell, so that no dispatcher is started for a folder in which nothing is to be trained."""
    os.mkfifo(runs / BELL)
    os.open(runs / BELL, os.O_RDONLY | os.O_NONBLOCK)


@pytest.fixture
def branched(workshop: Workshop) -> Run:
    """A branch of a branch: rates changed by hand twice, then other settings, then another loss."""
    first = workshop.train(
        "first", epochs=2, planned=[Changed(20, 0.2, 0.8), Changed(75, 0.05, 0.9)], learning_rate=0.1
    )
    second = workshop.train(
        "second",
        parent=Moment(first.id, 60),
        epochs=3,
        learning_rate=0.2,
        momentum=0.8,
        dropout=0.2,
        weight_decay=0.001,
        seed=7,
        standardise=True,
        schedule="cosine",
        planned=[Changed(90, 0.1, 0.7)],
    )
    return workshop.train(
        "third <b>*x*</b> $y$",
        parent=Moment(second.id, 120),
        epochs=3,
        step_limit=150,
        loss="one-vs-rest",
        learning_rate=0.01,
        momentum=0.7,
        shift=2,
        flip=True,
    )

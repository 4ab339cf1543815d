"""One run of each kind, trained for real in this process: what `test_meetings.py` holds every feature against."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.job_recorder import JobRecorder
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race, RateTest
from fmnist_core.studies import sweep
from fmnist_core.training.loop import TrainingData
from tests.runs.by_hand import Worker, resume, work
from tests.runs.lab import recorded

CONFIG = TrainingConfig(
    architecture="linear", batch_size=100, epochs=1, step_limit=40, learning_rate=0.002, device="cpu"
)
"""40 steps of 600: a tenth of a second."""
GONE = "0123456789ab"


@dataclass
class Zoo:
    """A runs folder, and the ids of what is in it by their kind."""

    folder: Path
    ids: dict[str, str]
    secret: Run
    """The open sweep's run as its folder tells it; the best of all, so that whoever looks for the best would show it."""

    def kinds(self, ids: set[str]) -> set[str]:
        """The kinds of these runs."""
        return {kind for kind, run_id in self.ids.items() if run_id in ids}


def train(run_id: str, data: TrainingData, do: dict[int, Callable[[], object]] | None = None) -> str:
    """To its end, or to where `do` ends or pauses it."""
    folder = RunFolder(client.runs_folder() / run_id)
    work(folder, data, do)  # type: ignore[arg-type]
    if folder.snapshots.path.exists():
        folder.snapshots.set_developed()
    return run_id


def diverge(run_id: str, data: TrainingData) -> str:
    """Its weights are spoilt after 12 steps."""
    worker = Worker(RunFolder(client.runs_folder() / run_id))
    worker.do = {12: lambda: [p.data.fill_(math.nan) for p in worker.state.net.parameters()]}  # type: ignore[union-attr]
    worker.train(data)
    worker.leave()
    return run_id


def job(run_id: str, data: TrainingData) -> str:
    """What a worker does with a job."""
    folder = RunFolder(client.runs_folder() / run_id)
    with folder.lock() or open("/dev/null", "rb"):
        recorder = JobRecorder(folder, EventWriter(folder.path), folder.run())
        recorder.train(data)
        recorder.writer.close()
    return run_id


def build(folder: Path) -> Zoo:
    """Train one of each kind."""
    data = TrainingData.load(torch.device("cpu"))
    start, ids = client.start, dict[str, str]()
    held_out = replace(CONFIG, validation=10_000)
    plain = start(CONFIG, "plain")
    train(plain, data, {20: lambda: client.pause(plain)})
    resume(RunFolder(folder / plain))
    ids["plain"] = train(plain, data)
    ids["seed"] = train(start(replace(CONFIG, seed=1), group=Group("seeds", plain)), data)
    ids["foreign"] = train(start(replace(CONFIG, seed=2), "hers", owner="Grace"), data)
    ids["steered"] = steered = start(replace(CONFIG, seed=3), "steered")
    train(steered, data, {10: lambda: client.change(steered, learning_rate=0.02)})
    ids["stopped"] = stopped = start(replace(CONFIG, seed=4), "stopped")
    train(stopped, data, {15: lambda: client.stop(stopped)})
    ids["diverged"] = diverge(start(replace(CONFIG, seed=5), "diverged"), data)
    ids["paused"] = paused = start(replace(CONFIG, seed=6), "paused")
    train(paused, data, {15: lambda: client.pause(paused)})
    longer = replace(CONFIG, step_limit=60)
    ids["branch"] = branch = client.branch(plain, 20, replace(longer, learning_rate=0.004), "branch")
    train(branch, data, {30: lambda: client.pause(branch)})
    resume(RunFolder(folder / branch))
    train(branch, data)
    ids["branch of a branch"] = train(client.branch(branch, 30, name="twice"), data)
    parent = train(start(replace(CONFIG, seed=7)), data)
    ids["branch of a deleted run"] = train(client.branch(parent, 0, replace(CONFIG, dropout=0.0), "orphan"), data)
    client.delete(parent)
    (ids["open sweep"],) = sweep.start(sweep.new_name(), [replace(held_out, step_limit=120, learning_rate=0.02)])
    train(ids["open sweep"], data)
    ids["branch of an open sweep"] = train(client.branch(ids["open sweep"], 0), data)
    (ids["chosen"],) = sweep.start(closed := sweep.new_name(), [held_out])
    sweep.choose(closed, train(ids["chosen"], data))
    check = [replace(CONFIG, validation=30_000, fold=fold) for fold in (0, 1)]
    parts = [start(config, group=Group("label check", "1")) for config in check]
    ids["label check"], ids["another part"] = (train(part, data) for part in parts)
    ids["smoothed"] = train(start(replace(CONFIG, label_smoothing=0.1), "smoothed"), data)
    ids["rate test"] = job(start(CONFIG, job=RateTest(steps=10)), data)
    ids["race"] = start(TrainingConfig(batch_size=500, epochs=1), job=Race(copies=4))
    ids["waiting"] = start(replace(CONFIG, seed=8), "waiting")
    ids["deleted"] = GONE
    return Zoo(folder, ids, recorded(RunFolder(folder / ids["open sweep"])))

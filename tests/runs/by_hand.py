"""Runs that a test trains itself, without processes: it can stop, pause, kill them after any step."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.recorder import Recorder
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Changed, Losses, Reached
from fmnist_core.training.loop import train
from fmnist_core.training.state import TrainingData, TrainingState
from tests.runs.lab import SMALL, recorded

BRIEF = replace(SMALL, batch_size=50, epochs=3, momentum=0.9, dropout=0.4, learning_rate=0.02)
"""On 500 images: 10 steps an epoch, 30 in all."""


class Worker(Recorder):
    """A worker's recorder in this process; `do` may do something to the run after each step."""

    def __init__(self, run: RunFolder, do: dict[int, object] | None = None) -> None:
        self.lock = run.lock()
        assert self.lock
        recorded_so_far = run.run().apply_all(run.events())
        writer = EventWriter(run.path)
        if recorded_so_far.state is not State.PAUSED:
            writer.write(claimed := Claimed(os.getpid()))
            recorded_so_far = recorded_so_far.apply(claimed)
        super().__init__(run, writer, recorded_so_far)
        self.do = do or {}

    def record(self, event: object) -> None:
        super().record(event)
        if isinstance(event, Losses) and (action := self.do.pop(event.step + len(event.losses), None)):
            action()

    def leave(self) -> None:
        self.writer.close()
        self.lock.close()


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the worker's own is done any more. The real one: test_every_kill.py, test_recovery.py."""


def die() -> None:
    raise Killed


def work(run: RunFolder, data: TrainingData, do: dict[int, object] | None = None) -> None:
    """What a worker does with the run, until it ends or dies."""
    worker = Worker(run, do)
    try:
        worker.train(data)
    except Killed:
        pass
    finally:
        worker.leave()


def resume(run: RunFolder) -> None:
    """What the dispatcher does."""
    from fmnist_core.runs.files.record import Resumed

    writer = EventWriter(run.path)
    writer.write(Resumed())
    writer.close()
    run.settle("resume")


def rerun(run: RunFolder) -> None:
    """After a death, as the dispatcher does it."""
    from fmnist_core.runs.files.record import Died

    writer = EventWriter(run.path)
    writer.write(Died("killed"))
    writer.close()


def create(config: TrainingConfig = BRIEF) -> RunFolder:
    return RunFolder(client.runs_folder() / client.start(config))


def reference(config: TrainingConfig, data: TrainingData, changes: list[Changed]) -> tuple[list[float], TrainingState]:
    """Losses and final state of a run with these changes, without any of the recording."""
    state, losses = TrainingState.new(config), list[float]()
    for change in changes:
        if change.step == 0:
            state.change(change.learning_rate, change.momentum)
    for event in train(state, data, [change.step for change in changes]):
        match event:
            case Losses():
                losses += event.losses
            case Reached(step=step):
                for change in changes:
                    if change.step == step:
                        state.change(change.learning_rate, change.momentum)
    return losses, state


def assert_is(run: RunFolder, losses: list[float], state: TrainingState) -> None:
    """Every step once, each with this loss; the last checkpoint is this state, generators included."""
    told = [e for e in run.events() if isinstance(e, Losses)]
    numbers = [n for e in told for n in range(e.step, e.step + len(e.losses))]
    first = recorded(run).first_step
    assert numbers == list(range(first, len(losses)))
    assert run.losses().tobytes() == np.array(losses[first:], np.float32).tobytes()
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert checkpoint[1] == state.step
    expected = state.tensors()
    assert checkpoint[0].keys() == expected.keys()
    for name, tensor in expected.items():
        assert checkpoint[0][name].equal(tensor), name

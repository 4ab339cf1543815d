"""In the manner of SQLite's own tests: the first write fails, then the second, until none is left; so do dispatchers die.

Workers that are really killed at each operation on the disk: test_every_kill.py.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fmnist_core import files
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Paused, Resumed, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.index import Index, IndexReader
from fmnist_core.runs.service.dispatcher import Dispatcher
from fmnist_core.training.events import Changed, Losses
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    Killed,
    assert_is,
    create,
    reference,
    resume,
    work,
)
from tests.runs.executors import NobodyStarts
from tests.runs.lab import events, recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

SHORT = replace(BRIEF, batch_size=100, epochs=2)
"""On 300 images: 3 steps an epoch, 6 in all."""
FULL = "The disk is full: make room, then resume. Training goes on from the last checkpoint."


@pytest.fixture(scope="module")
def few(little: TrainingData) -> TrainingData:
    """300 images to train on, 50 to test on."""
    return TrainingData(little.images[:300], little.labels[:300], little.test_images[:50], little.test_labels[:50])


@contextmanager
def fault(number: int, what: Callable[[], None]) -> Iterator[list[str]]:
    """`what` happens in the place of the `number`-th write (from 0): an event, a file, a sync, a renaming.

    Gives the list of the writes so far.
    """
    done: list[str] = []

    def before(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name != "open" or "x" in "".join(str(a) for a in arguments[1:]):
                done.append(name)
                if len(done) == number + 1:
                    what()
            return original(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventWriter, "write", before("event", EventWriter.write))
        patch.setattr(files, "open", before("open", open), raising=False)
        patch.setattr(os, "fsync", before("sync", os.fsync))
        patch.setattr(os, "replace", before("rename", os.replace))
        yield done


def disk_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def start_changing() -> RunFolder:
    """A run that keeps weights and changes its rate before its first step."""
    run = create(SHORT)
    client.change(run.id, learning_rate=0.05)
    return run


@pytest.mark.thorough
def test_every_write_fails_once(few: TrainingData):
    """Whichever write finds the disk full: the run pauses, nothing is lost or doubled, resumed it ends as it should."""
    expected = reference(SHORT, few, [Changed(0, 0.05, 0.9)])
    undisturbed = start_changing()
    work(undisturbed, few)
    number = 0
    while True:
        run = start_changing()
        with fault(number, disk_full) as done, suppress(OSError):
            work(run, few)
        if len(done) <= number:
            break
        if number == 0:  # the run could not even be taken: it waits for another worker
            assert recorded(run).state is State.QUEUED
        else:
            assert recorded(run).state is State.PAUSED, f"write {number}, {done[-2:]}"
            assert recorded(run).reason == FULL
            resume(run)
        work(run, few)
        assert recorded(run).state is State.FINISHED
        assert_is(run, *expected)
        assert len(events(run, Changed)) == 1
        assert [m.step for m in recorded(run).measured] == [0, 3, 6]
        assert run.weight_steps() == undisturbed.weight_steps()
        assert not [path for path in run.path.rglob("*") if path.suffix == ".tmp"]
        number += 1
    assert number > 40


class TrainsAtOnce(NobodyStarts):
    """An Executor whose workers have ended before `start` returns."""

    def __init__(self, data: TrainingData, do: dict[int, object]) -> None:
        self.data, self.do, self.is_working = data, do, False

    def start(self, folder: Path, slot: str = "") -> None:
        self.is_working = True
        work(RunFolder(folder), self.data, self.do)
        self.is_working = False

    def is_at_work(self, folder: Path) -> bool:
        return False


def die() -> None:
    raise Killed


@contextmanager
def death_before(number: int, executor: TrainsAtOnce) -> Iterator[list[str]]:
    """A dispatcher dies before its `number`-th doing: an event in place of a worker, a settled request, a save, a start."""
    done: list[str] = []

    def before(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if not executor.is_working:  # what a worker does meanwhile does not count
                done.append(name)
                if len(done) == number + 1:
                    die()
            return original(*arguments, **options)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EventWriter, "write_last_words", before("event", EventWriter.write_last_words))
        patch.setattr(RunFolder, "settle", before("settle", RunFolder.settle))
        patch.setattr(Index, "save", before("save", Index.save))
        patch.setattr(TrainsAtOnce, "start", before("start", TrainsAtOnce.start))
        yield done


@pytest.mark.thorough
def test_dispatcher_dies_at_everything_it_does(few: TrainingData, tmp_path: Path):
    """Wherever a dispatcher dies, the next one goes on: nothing is started twice, paused twice or stuck."""
    expected = reference(SHORT, few, [])
    number = 0
    while True:
        run = create(SHORT)
        executor = TrainsAtOnce(few, {2: lambda run=run: client.pause(run.id)})
        dispatcher = Dispatcher(tmp_path, executor)
        with death_before(number, executor) as done:
            for turn in range(12):
                try:
                    dispatcher.turn()
                except Killed:
                    dispatcher.index.close()
                    dispatcher = Dispatcher(tmp_path, executor)
                if turn == 5:
                    run.ask("resume")
        dispatcher.turn()
        with IndexReader(tmp_path) as index:
            found = index.run(run.id)
        dispatcher.index.close()
        assert found
        assert found[0] == recorded(run)
        assert found[0].state is State.FINISHED, f"{number}, {done}"
        assert_is(run, *expected)
        assert [len(events(run, kind)) for kind in (Claimed, Paused, Resumed)] == [2, 1, 1]
        assert not run.is_asked("pause")
        client.delete(run.id)
        if len(done) <= number:
            break
        number += 1
    assert number >= 8


def test_losses_are_told_before_a_step_is_kept(few: TrainingData):
    """No weights are kept of a step whose loss is not recorded: what the slider shows has happened."""
    run = create(SHORT)
    work(run, few, {3: die})
    told = sum(len(event.losses) for event in run.events() if isinstance(event, Losses))
    assert max(run.weight_steps(), default=0) <= told
    assert torch.get_num_threads() == 1

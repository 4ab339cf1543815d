"""What ends a run, or does not: no memory, a folder that moves away, a request that is void; and its clock."""

from __future__ import annotations

import errno
import math

import pytest
import torch

from fmnist_core.runs.files.record import Interrupted, State
from fmnist_core.runs.service.recorder import is_out_of_memory
from fmnist_core.training.events import Losses
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    Killed,
    Worker,
    create,
    die,
    rerun,
    work,
)
from tests.runs.lab import events, recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

SENTENCE = "The device ran out of memory: start again with a smaller batch size."


def test_memory_that_torch_has_not_got(little: TrainingData):
    """PyTorch says it as a RuntimeError on the CPU; the run's reason is the sentence all the same."""
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert not isinstance(error.value, torch.OutOfMemoryError | MemoryError)
    run = create(BRIEF)
    worker = Worker(run, {5: lambda: torch.empty(1 << 60, dtype=torch.uint8)})
    with pytest.raises(RuntimeError):
        worker.train(little)
    worker.leave()
    assert (recorded(run).state, recorded(run).reason) == (State.FAILED, SENTENCE)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to allocate ... not enough memory"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB)"),
        RuntimeError("std::bad_alloc"),
    ],
    ids=str,
)  # fmt: skip
def test_memory_errors_of_every_kind(error: Exception):
    """Whoever notices it, and however it is called there."""
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_times_never_go_back(little: TrainingData):
    """After a recovery the training time goes on from what was told; what was trained twice has taken time as well."""
    run = create(BRIEF)
    worker = Worker(run, {14: die})
    slow = Worker.record

    def record(self: Worker, event: object) -> None:
        self.state.seconds += 0.05  # so slow that the second time is quicker
        slow(self, event)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Worker, "record", record)
        with pytest.raises(Killed):
            worker.train(little)
        worker.leave()
    rerun(run)
    work(run, little)
    assert recorded(run).state is State.FINISHED
    seconds = [event.seconds for event in events(run, Losses)]
    assert len(seconds) == 30
    assert seconds == sorted(seconds)


def test_a_folder_that_moves_away(little: TrainingData):
    """A run whose folder gets another name while it trains is not failed: where it is now, it waits for another worker."""
    run = create(BRIEF)
    there = run.path.with_name("ffffffffffff")
    work(run, little, {15: lambda: run.path.rename(there)})
    moved = type(run)(there)
    found = recorded(moved)
    assert found.state is State.QUEUED
    assert isinstance(events(moved)[-1], Interrupted)
    work(moved, little)
    assert recorded(moved).state is State.FINISHED
    assert [event.step for event in events(moved, Losses)] == list(range(30))
    assert not run.path.exists()


def test_a_change_that_the_settings_do_not_allow_is_void(little: TrainingData):
    """A request that would make them impossible is settled and left out; the run goes on."""
    from dataclasses import replace

    run = create(replace(BRIEF, optimizer="nesterov"))
    work(run, little, {5: lambda: run.ask_for_change(None, 0.0)})
    assert recorded(run).state is State.FINISHED
    assert recorded(run).changes == ()
    assert run.changes_asked() == {}
    assert all(math.isfinite(loss) for loss in run.losses())

"""Films are developed when training is over: the predictions of every snapshot, whatever interrupts it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmnist_core.evaluation.evaluate import evaluate
from fmnist_core.networks.architectures import build
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.snapshots import Snapshots
from fmnist_core.runs.service import predictions
from fmnist_core.runs.service.keeping import branch_steps, film_steps
from fmnist_core.runs.service.predictions import develop_all, is_waiting
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import BRIEF, Killed, create, die, rerun, work

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")


@pytest.fixture(autouse=True)
def stay_as_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's process does not give way to others for ever."""
    monkeypatch.setattr(predictions, "give_way", lambda: None)


@pytest.mark.parametrize("architecture", ["net", "residual"])
def test_predictions_are_those_of_the_kept_weights(little: TrainingData, architecture: str):
    """Each snapshot's logits are what the network with those weights says, rounded to half precision."""
    config = replace(BRIEF, architecture=architecture, step_limit=3, standardise=True)
    run = create(config)
    work(run, little)
    assert run.weight_steps() == [0, 1, 2, 3]
    assert is_waiting(run)
    develop_all(client.runs_folder(), little, lambda: False)
    assert not is_waiting(run)
    assert run.logit_steps() == run.weight_steps() == run.predictions().steps.tolist()
    net = build(config)
    for step in run.weight_steps():
        net.load_state_dict({name: torch.from_numpy(array) for name, array in run.weights(step).items()})
        expected = evaluate(net, little.test_images, little.test_labels.numpy(), standardise=True)
        assert np.allclose(run.logits(step), expected.logits, rtol=2e-3, atol=1e-3)


def test_developing_is_interrupted(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """Told to end, killed, or without room: what is there stays, and the next one goes on with what is left."""
    run = create()
    work(run, little)
    looks = iter([False, False, False, True, True])
    develop_all(client.runs_folder(), little, lambda: next(looks))
    some = run.logit_steps()
    assert 3 < len(some) < len(run.weight_steps()), "three measured ones, and a few more"
    assert is_waiting(run)
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "write_logits", lambda *_: die())
        with pytest.raises(Killed):
            develop_all(client.runs_folder(), little, lambda: False)
    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "write_logits", lambda *_: no_room())
        develop_all(client.runs_folder(), little, lambda: False)
    assert run.logit_steps() == some
    assert is_waiting(run)
    develop_all(client.runs_folder(), little, lambda: False)
    assert run.snapshots.undeveloped() == []


def test_who_is_looked_at_comes_first(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """The newest run comes before older ones, and the one that somebody looks at before all."""
    runs = [create() for _ in range(3)]
    for number, run in enumerate(runs):
        work(run, little)
        os.utime(run.path / "config.json", (number, number))
    done: list[str] = []
    develop = predictions.develop

    def noted(folder: RunFolder, data: TrainingData, is_over: Callable[[], bool]) -> None:
        done.append(folder.id)
        develop(folder, data, is_over)

    monkeypatch.setattr(predictions, "develop", noted)
    runs[0].ask("look")
    develop_all(client.runs_folder(), little, lambda: False)
    assert done == [runs[0].id, runs[2].id, runs[1].id]
    assert not runs[0].is_asked("look")


def no_room() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_run_in_training_is_left_alone(little: TrainingData):
    """The film of a run that somebody trains is not developed; that of one that has died waits, too."""
    run = create()
    work(run, little, {15: die})
    lock = run.lock()
    assert lock
    assert not is_waiting(run)
    lock.close()
    assert is_waiting(run)
    rerun(run)
    work(run, little)
    develop_all(client.runs_folder(), little, lambda: False)
    assert run.snapshots.undeveloped() == []


def test_weights_that_come_while_it_develops(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """A worker takes a run over whose film is being developed: what it keeps then is developed later."""
    run = create()
    work(run, little, {15: die})
    thin_out, locks = Snapshots.thin_out, []

    def taken_over(snapshots: Snapshots, most: int) -> None:
        thin_out(snapshots, most)
        locks.append(run.lock())
        weights = run.weights(0)
        run.write_weights({29: weights, 30: weights})

    with monkeypatch.context() as patch:
        patch.setattr(Snapshots, "thin_out", taken_over)
        develop_all(client.runs_folder(), little, lambda: False)
    (lock,) = locks
    assert lock
    lock.close()
    assert is_waiting(run)
    assert run.snapshots.undeveloped() == [29, 30]
    develop_all(client.runs_folder(), little, lambda: False)
    assert run.snapshots.undeveloped() == []
    assert not is_waiting(run)


@pytest.mark.parametrize("size", [110_000, 4_000_000, 40_000_000])
def test_steps_that_are_kept(size: int, monkeypatch: pytest.MonkeyPatch):
    """First and last always, ends of epochs, about 100 in all; larger networks keep fewer; 0 asks for none."""
    monkeypatch.setenv("FMNIST_SNAPSHOTS", "100")
    steps = film_steps(0, 60_000, 3_000, size)
    assert (steps[0], steps[-1]) == (0, 60_000)
    assert len(steps) * size <= 256 << 20
    assert {110_000: 95, 4_000_000: 55, 40_000_000: 4}[size] <= len(steps) <= 100
    if size == 110_000:
        assert set(range(0, 60_001, 3_000)) <= set(steps)
    kept = branch_steps(0, 60_000, 3_000, 3 * size)
    assert (kept[0], kept[-1]) == (0, 60_000)
    assert len(kept) <= 21
    monkeypatch.setenv("FMNIST_SNAPSHOTS", "0")
    assert film_steps(0, 60_000, 3_000, size) == []

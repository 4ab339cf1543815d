"""The compiled step within a run: the same run as PyTorch's, that can be interrupted and taken up again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.recorder import Recorder
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import library
from fmnist_core.training.events import Diverged, Losses, Measured
from fmnist_core.training.loop import train
from fmnist_core.training.measuring import measure
from fmnist_core.training.state import TrainingData, TrainingState

TUTORIAL = TrainingConfig(device="cpu", epochs=2)


@pytest.fixture(scope="module")
def little(images) -> TrainingData:
    return TrainingData(images[0][:1000], images[1][:1000], images[0][1000:1100], images[1][1000:1100])


def both_ways(config: TrainingConfig, data: TrainingData) -> tuple[TrainingState, TrainingState, list, list]:
    """The same run by both engines: where they stand afterwards, and what they told."""
    ours = TrainingState.new(config)
    assert ours.engine == "compiled"
    mine = list(train(ours, data))
    theirs = TrainingState.new(config)
    theirs.compiled = None
    return ours, theirs, mine, list(train(theirs, data))


def losses_of(events: list) -> list[float]:
    return [loss for event in events if isinstance(event, Losses) for loss in event.losses]


@pytest.mark.parametrize(
    "config",
    [
        TUTORIAL,
        replace(TUTORIAL, batch_size=64, seed=1),
        replace(TUTORIAL, optimizer="nesterov", schedule="one-cycle", weight_decay=1e-3, standardise=True, epochs=1),
        replace(TUTORIAL, shift=2, flip=True, erase=6, label_smoothing=0.1, validation=100, step_limit=60),
    ],
    ids=["tutorial", "64", "schedule", "augmented"],
)
def test_same_run_by_both_engines(little, config):
    """Same order of images, schedule, augmentation and dropout: same losses and scores, but for rounding."""
    ours, theirs, mine, others = both_ways(config, little)
    assert mine[0] == replace(others[0], engine="compiled", library=library.fingerprint())
    np.testing.assert_allclose(losses_of(mine), losses_of(others), rtol=2e-4)
    scores = [[(e.step, e.epoch, e.test.total) for e in events if isinstance(e, Measured)] for events in (mine, others)]
    assert scores[0] == scores[1]
    assert ours.step == theirs.step
    assert ours.learning_rate == theirs.learning_rate
    assert set(ours.tensors()) == set(theirs.tensors())
    for name, value in theirs.tensors().items():
        torch.testing.assert_close(ours.tensors()[name], value, rtol=1e-2, atol=1e-4)


def test_a_run_that_was_interrupted_comes_to_the_same_bits(little, monkeypatch):
    """Kept in a checkpoint after any call, and restored: the same losses and weights as without."""
    monkeypatch.setattr("fmnist_core.training.compiled.steps.FIRST", 260)
    monkeypatch.setattr("fmnist_core.training.loop.NEWS_EVERY", 1e-3)
    config = replace(TUTORIAL, batch_size=13)
    whole = TrainingState.new(config)
    wanted = losses_of(list(train(whole, little)))
    state, losses = TrainingState.new(config), []
    while state.step < config.epochs * 77:
        for event in train(state, little):
            if isinstance(event, Losses):
                losses += event.losses
                break
        state = TrainingState.restore(config, state.tensors(), state.step, state.seconds)
    assert losses == wanted
    assert all(value.equal(state.tensors()[name]) for name, value in whole.tensors().items())


def test_a_run_can_change_the_engine(little):
    """A checkpoint of one engine is a checkpoint of the other."""
    theirs = TrainingState.new(TUTORIAL)
    theirs.compiled = None
    wanted = losses_of(list(train(theirs, little)))
    ours = TrainingState.new(TUTORIAL)
    losses: list[float] = []
    for event in train(ours, little):
        losses += event.losses if isinstance(event, Losses) else ()
        if ours.step == 50:  # the end of the first epoch
            break
    changed = TrainingState.restore(TUTORIAL, ours.tensors(), ours.step, ours.seconds)
    changed.compiled = None
    losses += losses_of(list(train(changed, little)))
    np.testing.assert_allclose(losses, wanted, rtol=2e-4)


def test_divergence_ends_the_run(little):
    """With the compiled step too, a loss that is not finite is the last thing that is told."""
    events = list(train(TrainingState.new(replace(TUTORIAL, learning_rate=10.0, weight_decay=0.9)), little))
    assert isinstance(events[-1], Diverged)
    assert all(np.isfinite(losses_of(events)))


def test_what_goes_pytorchs_way():
    """Other losses, optimizers and networks are PyTorch's."""
    assert TrainingState.new(TUTORIAL).engine == "compiled"
    for change in ({"loss": "one-vs-rest"}, {"optimizer": "adam"}, {"architecture": "linear"}, {"hidden_units": 513}):
        assert TrainingState.new(replace(TUTORIAL, **change)).engine == "torch"


def take_up(folder: RunFolder) -> str:
    """Which engine goes on with the run; it is told to end after the first event."""
    writer = EventWriter(folder.path)
    recorder = Recorder(folder, writer, folder.run().apply_all(folder.events()))
    recorder.told_to_end = True
    recorder.train()
    writer.close()
    assert recorder.state
    assert recorder.state.engine == folder.run().apply_all(folder.events()).engine
    return recorder.state.engine


def test_a_run_stays_with_its_engine(tmp_path, monkeypatch, caplog):
    """Taken up again, a run goes on with the engine that it began with; where that is gone, with PyTorch, which is told."""
    folders = [RunFolder.create(tmp_path, f"{number:012}", number, "", TUTORIAL) for number in (1, 2)]
    assert [take_up(folders[0]), take_up(folders[0])] == ["compiled", "compiled"]
    monkeypatch.setenv("FMNIST_COMPILED", "0")
    assert take_up(folders[1]) == "torch"
    assert "no longer there" not in caplog.text
    assert take_up(folders[0]) == "torch"
    assert "no longer there" in caplog.text
    monkeypatch.setenv("FMNIST_COMPILED", "1")
    assert [take_up(folders[0]), take_up(folders[1])] == ["torch", "torch"]


def test_a_run_names_the_c_that_took_its_steps(tmp_path, monkeypatch, caplog):
    """Taken up again with another one, it goes on, and that sums are rounded otherwise is told and recorded."""
    folder = RunFolder.create(tmp_path, f"{1:012}", 1, "", TUTORIAL)
    take_up(folder)
    before = folder.run().apply_all(folder.events()).library
    assert before == library.fingerprint()
    take_up(folder)
    assert "another one than before" not in caplog.text
    monkeypatch.setattr("fmnist_core.training.state.fingerprint", lambda: "0123456789abcdef")
    take_up(folder)
    assert "another one than before" in caplog.text
    assert folder.run().apply_all(folder.events()).library == "0123456789abcdef"


@pytest.mark.parametrize("change", [{}, {"optimizer": "adam"}, {"standardise": True, "flip_test": True}])
def test_measurements_come_from_c_wherever_it_predicts(little, change):
    """Also of what PyTorch trains: the same figures and logits as PyTorch measures, but for rounding."""
    state = TrainingState.new(replace(TUTORIAL, **change))
    assert state.predicts_in_c
    logits_in_c, in_c = measure(state, little)
    state.leave_compiled()
    assert state.engine == "torch"
    logits_in_torch, in_torch = measure(state, little)
    np.testing.assert_allclose(logits_in_c.test, logits_in_torch.test, atol=1e-6)
    assert in_c.test.loss == pytest.approx(in_torch.test.loss, rel=1e-6)
    assert not TrainingState.new(replace(TUTORIAL, architecture="perceptron")).predicts_in_c

"""One step at a time: exactly as training takes it, and all its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.settings.config import Architecture, Optimizer, TrainingConfig
from fmnist_core.training.optimizers import orthogonal
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    Killed,
    Worker,
    assert_is,
    create,
    die,
    reference,
    resume,
    work,
)
from tests.runs.lab import recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

# --- One step at a time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "architecture"),
    [("sgd", "net"), ("nesterov", "net"), ("adam", "net"), ("muon", "net"), ("muon", "residual")],
)
def test_steps_one_at_a_time(
    little: TrainingData, optimizer: Optimizer, architecture: Architecture, monkeypatch: pytest.MonkeyPatch
):
    """A paused run takes steps exactly as if it trained them; what is kept of each obeys the formulas it names."""
    monkeypatch.setattr("fmnist_core.runs.service.recorder.LINGERS", 0.0)
    config = replace(BRIEF, optimizer=optimizer, architecture=architecture, weight_decay=0.3)
    run = create(config)
    work(run, little, {9: lambda: client.pause(run.id)})
    for step in (10, 11):
        client.step_once(run.id)
        client.step_once(run.id)  # clicked twice: one step
        monkeypatch.setattr("fmnist_core.runs.service.recorder.LINGERS", 0.1)
        worker = Worker(run)
        worker.linger(little)
        worker.leave()
        assert (recorded(run).state, recorded(run).step) == (State.PAUSED, step)
        assert_obeys(run, step, config, little)
    assert run.single_steps() == [10, 11]
    assert [m.step for m in recorded(run).measured] == [0, 10], "the end of the epoch is measured"
    assert recorded(run).latest
    resume(run)
    work(run, little)
    assert recorded(run).state is State.FINISHED
    assert_is(run, *reference(config, little, []))


def assert_obeys(run: RunFolder, step: int, config: TrainingConfig, data: TrainingData) -> None:
    """The numbers of a single step belong together."""
    taken = run.single_step(step)
    assert taken.losses_trained.mean() == pytest.approx(run.losses()[step - 1], rel=1e-5)
    assert data.labels[taken.indices].tolist() == taken.labels.tolist()
    assert taken.images.shape == (50, 28, 28)
    assert np.allclose(taken.images * 255, data.images[taken.indices], atol=1e-3)
    assert taken.losses_after.mean() != taken.losses_before.mean()
    remembered = {"v": "momentum_buffer", "m": "exp_avg", "s": "exp_avg_sq"}
    for name, before in taken.weights_before.items():
        values = {key: taken.state_before.get(f"{name}.{word}", 0.0) for key, word in remembered.items()}
        values |= {"g": taken.gradients[name], "w": before, "rate": taken.learning_rate, "n": step, "sqrt": np.sqrt}
        values |= {"momentum": taken.momentum, "decay": taken.weight_decay}
        assert (taken.weights_after[name] != before).any()
        first, second = taken.formulas(name)
        assert "decay" in first + second
        for line in (*first.split(",   "), second):
            variable, _, formula = line.partition(" ← ")
            if "made orthogonal" in formula:
                ahead = (1 - taken.momentum) * values["g"] + taken.momentum * values["v"]
                update = (
                    orthogonal(torch.tensor(ahead).flatten(1))
                    * 0.2
                    * np.sqrt(max(torch.tensor(ahead).flatten(1).shape))
                )
                formula = formula.replace("v made orthogonal, looking ahead", "update")
                values["update"] = update.view(ahead.shape).numpy()
            values[variable] = eval(as_python(formula), values)  # the very text that the page shows
            found = (
                taken.weights_after[name] if variable == "w" else taken.state_after[f"{name}.{remembered[variable]}"]
            )
            assert np.allclose(found, values[variable], rtol=1e-4, atol=1e-6), (name, line)


def as_python(formula: str) -> str:
    """A formula as the page shows it, for Python."""
    signs = {"·": "*", "−": "-", "√": "sqrt", "²": "**2", "ⁿ": "**n", "10⁻⁸": "1e-8"}
    for sign, word in signs.items():
        formula = formula.replace(sign, word)
    return formula


def test_step_killed_before_it_is_recorded(little: TrainingData):
    """A worker that dies while it takes a step leaves the request; the next worker takes it, to the same result."""
    run = create()
    work(run, little, {14: lambda: client.pause(run.id)})
    client.step_once(run.id)
    worker = Worker(run, {15: die})
    with pytest.raises(Killed):
        worker.linger(little)
    worker.leave()
    assert recorded(run).step == 15
    worker = Worker(run)
    worker.told_to_end = True
    worker.prepare(little)
    worker.leave()
    resume(run)
    work(run, little)
    assert_is(run, *reference(BRIEF, little, []))


def test_step_refused(little: TrainingData):
    """Only a paused run takes single steps."""
    run = create()
    with pytest.raises(client.RunRefused, match=r"^Only a paused run takes single steps: pause it first\.$"):
        client.step_once(run.id)


def test_last_step_finishes_the_run(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """A run that is stepped through its last step is finished and measured."""
    monkeypatch.setattr("fmnist_core.runs.service.recorder.LINGERS", 0.1)
    run = create()
    work(run, little, {29: lambda: client.pause(run.id)})
    client.step_once(run.id)
    worker = Worker(run)
    worker.linger(little)
    worker.leave()
    assert recorded(run).state is State.FINISHED
    assert [m.step for m in recorded(run).measured] == [0, 10, 20, 30]
    assert_is(run, *reference(BRIEF, little, []))


def test_next_step_asked_for_as_soon_as_one_is_seen(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """A step that is asked for at the very moment at which the one before is recorded is taken, too."""
    monkeypatch.setattr("fmnist_core.runs.service.recorder.LINGERS", 0.5)
    run = create()
    work(run, little, {12: lambda: client.pause(run.id)})
    client.step_once(run.id)
    worker = Worker(run, {13: lambda: client.step_once(run.id)})
    worker.linger(little)
    worker.leave()
    assert recorded(run).step == 14
    assert run.single_steps() == [13, 14]

"""Pause, kill, other rates: a run comes to what an undisturbed run comes to, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fmnist_core.runs import client
from fmnist_core.runs.files.batch import batch_of, batch_then
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.runs.service import recorder
from fmnist_core.training import measuring
from fmnist_core.training.events import Changed
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    assert_is,
    create,
    die,
    reference,
    rerun,
    resume,
    work,
)
from tests.runs.lab import SMALL, events, recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

STEPS = (14, 30, *(pytest.param(step, marks=pytest.mark.thorough) for step in (1, 10, 29)))
"""Within an epoch, and at the end; at the beginning, at an epoch's end, just before the end."""

# --- Pause, resume, kill ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", STEPS)
def test_paused_and_resumed_equals_never_paused(little: TrainingData, step: int):
    """Wherever a run is paused, it goes on to the same losses, the same weights, the same generators."""
    run = create()
    work(run, little, {step: lambda: client.pause(run.id)})
    assert recorded(run).state is State.PAUSED
    assert recorded(run).step == step
    assert step in run.branch_steps()
    assert step in run.weight_steps()
    resume(run)
    work(run, little)
    assert recorded(run).state is State.FINISHED
    assert_is(run, *reference(BRIEF, little, []))


@pytest.mark.parametrize("step", [*STEPS, pytest.param(9, marks=pytest.mark.thorough)])
def test_killed_and_recovered_equals_undisturbed(little: TrainingData, step: int):
    """Killed after any step, a run goes on to the same end, and the film has the same weights at the same steps."""
    undisturbed, run = create(), create()
    work(undisturbed, little)
    work(run, little, {step: die})
    rerun(run)
    work(run, little)
    assert_is(run, *reference(BRIEF, little, []))
    assert run.weight_steps() == undisturbed.weight_steps()
    for kept in run.weight_steps():
        for name, tensor in undisturbed.weights(kept).items():
            assert run.weights(kept)[name].tobytes() == tensor.tobytes()


IN_TORCH = replace(BRIEF, architecture="linear", dropout=0.0)
"""Measured batch by batch, not in C."""


def test_paused_while_it_is_measured(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """What a large network does for minutes, before the first step, is left at once, and done when the run goes on."""
    monkeypatch.setattr(measuring, "LARGE", 0)
    run = create(IN_TORCH)
    client.pause(run.id)
    work(run, little)
    assert (recorded(run).state, recorded(run).step, recorded(run).measured) == (State.PAUSED, 0, ())
    resume(run)
    work(run, little)
    assert [measured.step for measured in recorded(run).measured] == [0, 10, 20, 30]
    assert_is(run, *reference(IN_TORCH, little, []))


@pytest.mark.parametrize(("step", "measured"), [(0, []), (14, [0, 10])])
def test_stopped_while_it_is_measured(
    little: TrainingData, monkeypatch: pytest.MonkeyPatch, step: int, measured: list[int]
):
    """A measurement for which there is no time is left out: the run ends with what was measured before, and its weights."""
    monkeypatch.setattr(measuring, "LARGE", 0)
    monkeypatch.setattr(recorder, "MEASURED_WITHIN", -1.0)
    run = create(IN_TORCH)
    if step:
        work(run, little, {step: lambda: client.stop(run.id)})
    else:
        client.stop(run.id)
        work(run, little)
    assert (recorded(run).state, recorded(run).step) == (State.STOPPED, step)
    assert [found.step for found in recorded(run).measured] == measured
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert checkpoint[1] == step


def test_a_small_network_is_measured_wherever_it_is_stopped(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """However slow the machine: its figures are worth the wait."""
    monkeypatch.setattr(recorder, "MEASURED_WITHIN", -1.0)
    run = create(IN_TORCH)
    work(run, little, {14: lambda: client.stop(run.id)})
    assert [found.step for found in recorded(run).measured] == [0, 10, 14]


# --- Other rates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["constant", "one-cycle"])
def test_change_in_flight(little: TrainingData, schedule: str):
    """A new rate holds from the step after the one at which it was noticed, and is recorded; a schedule scales it."""
    config = replace(BRIEF, schedule=schedule)
    run = create(config)
    work(run, little, {7: lambda: client.change(run.id, learning_rate=0.05)})
    (change,) = events(run, Changed)
    assert isinstance(change, Changed)
    assert (change.step, change.learning_rate, change.momentum) == (7, 0.05, 0.9)
    losses, state = reference(config, little, [change])
    assert_is(run, losses, state)
    undisturbed, _ = reference(config, little, [])
    assert losses[:8] == undisturbed[:8], "step 8 is the first to use it, so loss 9 the first to differ"
    assert losses[8] != undisturbed[8]
    assert recorded(run).config_at(6).learning_rate == 0.02
    assert recorded(run).config_now.learning_rate == 0.05
    assert run.changes_asked() == {}


@pytest.mark.parametrize("death", [8, 12, 19, 20, 25])
def test_change_killed_and_recovered(little: TrainingData, death: int):
    """Two changes, then a death: they are repeated at the same steps, recorded once each, to the same end."""
    run = create()
    do = {
        7: lambda: client.change(run.id, learning_rate=0.05),
        18: lambda: client.change(run.id, momentum=0.5),
        death: die,
    }
    work(run, little, do)
    rerun(run)
    work(run, little, {18: do[18]} if death < 18 else {})
    changes = events(run, Changed)
    assert [(c.step, c.learning_rate, c.momentum) for c in changes] == [(7, 0.05, 0.9), (18, 0.05, 0.5)]
    assert_is(run, *reference(BRIEF, little, changes))


def test_change_recorded_but_not_settled(little: TrainingData):
    """A worker that dies between recording a change and removing its request does not make it happen twice."""
    run = create()
    work(run, little, {7: lambda: client.change(run.id, learning_rate=0.05), 12: die})
    (change,) = events(run, Changed)
    assert isinstance(change, Changed)
    (run.path / "requests" / change.request).write_text("[0.05, null]")
    rerun(run)
    work(run, little)
    assert events(run, Changed) == [change]
    assert_is(run, *reference(BRIEF, little, [change]))


def test_change_while_it_waits(little: TrainingData):
    """What is asked of a waiting or paused run applies, in order, when it goes on."""
    run = create()
    client.change(run.id, learning_rate=0.5)
    client.change(run.id, learning_rate=0.01)
    assert client.get(run.id).changing
    client.change(run.id, momentum=0.8)
    work(run, little, {14: lambda: client.pause(run.id)})
    client.change(run.id, learning_rate=0.03)
    assert client.get(run.id).changing
    resume(run)
    work(run, little)
    changes = events(run, Changed)
    assert [(c.step, c.learning_rate, c.momentum) for c in changes] == [
        (0, 0.5, 0.9),
        (0, 0.01, 0.9),
        (0, 0.01, 0.8),
        (14, 0.03, 0.8),
    ]
    assert_is(run, *reference(BRIEF, little, changes))


def test_change_out_of_range(little: TrainingData):
    """A rate out of its range is refused where it enters, in a sentence; so is any change of a run that is over."""
    run = create()
    with pytest.raises(ValueError, match=r"^learning_rate must be above 0 and at most 10, got 11$"):
        client.change(run.id, learning_rate=11)
    with pytest.raises(ValueError, match=r"^momentum must be at least 0 and below 1, got 1\.0$"):
        client.change(run.id, momentum=1.0)
    assert run.changes_asked() == {}
    work(run, little)
    with pytest.raises(client.RunRefused, match=r"^This run is over: branch off from it instead\.$"):
        client.change(run.id, learning_rate=0.1)


# --- Looking back ----------------------------------------------------------------------------------------------------


def test_batch_of_any_step(little: TrainingData):
    """The images of a step are those that training saw; their losses are the network's under the nearest kept weights."""
    config = replace(SMALL, dropout=0.0, validation=1000, fold=1, step_limit=3)
    run = RunFolder(client.runs_folder() / client.start(config))
    work(run, TrainingData.load(torch.device("cpu")))
    assert recorded(run).steps == 3
    for step in (1, 2, 3):
        seen = batch_then(run, step)
        assert seen.is_exact
        assert not set(seen.indices) & set(range(1000, 2000))
        assert seen.indices.tolist() == batch_of(config, step).tolist()
        assert seen.losses.mean() == pytest.approx(run.losses()[step - 1], rel=1e-4)
    later = batch_then(run, 40)
    assert (later.weights_step, later.is_exact) == (3, False)
    with pytest.raises(FileNotFoundError, match="no weights from before step 0 were kept"):
        batch_then(run, 0)

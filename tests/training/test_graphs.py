"""Captured steps: what a CUDA graph does to a run's numbers, on the CPU, where replaying is running what was recorded again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fmnist_core.data import dataset
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training import graphs, loop
from fmnist_core.training.events import Losses, Reached
from fmnist_core.training.graphs import GraphedSteps
from fmnist_core.training.loop import train
from fmnist_core.training.state import TrainingData, TrainingState

SMALL = TrainingConfig(device="cpu", batch_size=30, epochs=2, momentum=0.9, learning_rate=0.02)
"""On 1,000 images: 33 full batches and one of 10 images an epoch."""


@pytest.fixture(scope="module")
def little() -> TrainingData:
    train_split, test = dataset.load("train"), dataset.load("test")
    numbers = [
        torch.tensor(array[:count])
        for split, count in ((train_split, 1000), (test, 100))
        for array in (split.images, split.labels)
    ]
    return TrainingData(numbers[0], numbers[1].long(), numbers[2], numbers[3].long())


@pytest.fixture
def graphed(monkeypatch: pytest.MonkeyPatch) -> list[GraphedSteps]:
    """Every run takes its full batches by what is recorded; the list of what takes them."""
    made: list[GraphedSteps] = []

    def find(state: TrainingState, room: int) -> GraphedSteps:
        images, labels = torch.zeros(room, 1, 28, 28), torch.zeros(room, dtype=torch.int64)
        steps = GraphedSteps(state, images, labels)

        def capture(step):
            def replay() -> None:
                with steps._recordable():  # what is recorded reads the learning rate where it was at the capture
                    step()

            return replay

        steps.capture = capture
        made.append(steps)
        return steps

    monkeypatch.setattr(loop.GraphedSteps, "find", find)
    monkeypatch.setattr(loop, "GATHERED", 300)  # ten batches together
    return made


def run(
    config: TrainingConfig, data: TrainingData, stops: dict[int, object] | None = None
) -> tuple[list[float], TrainingState]:
    state, losses = TrainingState.new(config), []
    for event in train(state, data, stops or ()):
        if isinstance(event, Losses):
            losses += event.losses
        if isinstance(event, Reached) and stops and (change := stops[event.step]):
            change(state)
    return losses, state


def assert_same(found: tuple[list[float], TrainingState], wanted: tuple[list[float], TrainingState]) -> None:
    adaptive = (
        found[1].config.optimizer == "adam"
    )  # divides by the gradient's size: where that is rounding, so is the step
    assert found[0] == pytest.approx(wanted[0], rel=1e-5)
    theirs = wanted[1].tensors()
    assert found[1].tensors().keys() == theirs.keys()
    for name, tensor in found[1].tensors().items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=5e-4 if adaptive else 2e-5)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"optimizer": "nesterov", "schedule": "one-cycle", "weight_decay": 1e-3},
        {"optimizer": "adam", "learning_rate": 0.001},
        {"momentum": 0.0, "flip": True, "shift": 2, "standardise": True, "label_smoothing": 0.1},
        {"architecture": "residual", "step_limit": 45},
        {
            "architecture": "residual",
            "step_limit": 45,
            "optimizer": "muon",
            "weight_decay": 0.01,
            "schedule": "one-cycle",
        },
    ],
    ids=["tutorial", "schedule", "adam", "augmented", "batch-norm", "muon"],
)
def test_the_same_run(little, monkeypatch, graphed, change):
    """Same losses, weights, memory of the optimizer and generator as without: static places, the tail, the warm-up undone."""
    config = replace(SMALL, **change)
    found = run(config, little)
    assert graphed[0].taken > 0
    monkeypatch.setattr(loop.GraphedSteps, "find", lambda *_: None)
    assert_same(found, run(config, little))


def test_stops_and_changes(little, monkeypatch, graphed):
    """A stop is reached at exactly its step; other rates hold from the next one on, and another momentum is captured anew."""
    stops = {
        1: None,
        14: lambda state: state.change(0.001, 0.9),
        33: lambda state: state.change(0.01, 0.5),
        40: None,
    }
    found = run(SMALL, little, stops)
    assert graphed[0].momentum == 0.5
    monkeypatch.setattr(loop.GraphedSteps, "find", lambda *_: None)
    assert_same(found, run(SMALL, little, stops))


def test_resumed_to_the_same_bits(little, monkeypatch, graphed):
    """Taken up from a checkpoint within an epoch, the same bits: capturing again leaves no trace."""
    monkeypatch.setattr(loop, "NEWS_EVERY", 0.0)
    wanted, whole = run(SMALL, little)
    losses: list[float] = []
    state = TrainingState.new(SMALL)
    while state.step < 68:
        for event in train(state, little):
            if isinstance(event, Losses):
                losses += event.losses
                break
        state = TrainingState.restore(SMALL, state.tensors(), state.step, state.seconds)
    assert len(graphed) > 5
    assert losses == wanted
    assert all(tensor.equal(state.tensors()[name]) for name, tensor in whole.tensors().items())


def test_where_it_is_used(monkeypatch):
    """On a CUDA GPU, with every optimizer, and unless it is switched off; nowhere else."""
    state = TrainingState.new(SMALL)
    assert GraphedSteps.find(state, 300) is None
    state.device = torch.device("cuda")
    assert graphs.covers(state)
    monkeypatch.setenv("FMNIST_GRAPHS", "0")
    assert GraphedSteps.find(state, 300) is None
    state = TrainingState.new(replace(SMALL, architecture="residual", optimizer="muon"))
    state.device = torch.device("cuda")
    assert graphs.covers(state)

"""How many threads compute on a processor that is busy with other programs, and numbers that slow it down."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from fmnist_core.data import dataset
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training import loop
from fmnist_core.training.events import Losses, Slowed
from fmnist_core.training.loop import train
from fmnist_core.training.pace import Pace
from fmnist_core.training.state import TrainingData, TrainingState


@pytest.fixture(scope="module")
def little() -> TrainingData:
    """1,000 real images to train on and 300 to test on."""
    splits = (dataset.load("train"), 1000), (dataset.load("test"), 300)
    tensors = [t for s, n in splits for t in (torch.tensor(s.images[:n]), torch.tensor(s.labels[:n]).long())]
    return TrainingData(*tensors)


def on_cpu(**settings: object) -> TrainingConfig:
    return TrainingConfig.from_dict({"device": "cpu", **settings})


@pytest.fixture
def two_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


@pytest.mark.thorough
@pytest.mark.usefixtures("two_threads")
def test_training_goes_on_with_one_thread_when_two_wait_for_each_other(
    little: TrainingData, monkeypatch: pytest.MonkeyPatch
):
    """Where one thread would be more than twice as quick, it takes over, says so once, and every step is there."""
    monkeypatch.setattr(loop, "NEWS_EVERY", 0.0)
    real = loop._Losses.collect

    def collect_slowly(self: loop._Losses) -> object:
        news = real(self)
        self.speed = 1e9 if self.state.step <= 3 else 0.001  # as if threads had begun to wait for each other
        return news

    monkeypatch.setattr(loop._Losses, "collect", collect_slowly)
    events = list(train(TrainingState.new(on_cpu(epochs=1, batch_size=20)), little))
    assert [event for event in events if isinstance(event, Slowed)] == [Slowed(3 + Pace.PATIENCE, 1)]
    assert sum(len(event.losses) for event in events if isinstance(event, Losses)) == 50
    assert torch.get_num_threads() == 1


@pytest.mark.usefixtures("two_threads")
def test_trying_one_thread_changes_nothing(little: TrainingData):
    """Weights, gradients, dropout's generator and the number of threads are as they were."""
    state = TrainingState.new(on_cpu())
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    pace = Pace(state)
    batch = little.images[:20, None] / 255, little.labels[:20]
    assert [pace.is_lost(0.001, *batch) for _time in range(pace.PATIENCE)] == [False] * (pace.PATIENCE - 1) + [True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())
    assert all(parameter.grad is None for parameter in state.net.parameters())
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_a_moments_disturbance_changes_nothing(little: TrainingData):
    """Slow, then quick again, then slow: patience starts anew."""
    pace = Pace(TrainingState.new(on_cpu()))
    batch = little.images[:20, None] / 255, little.labels[:20]
    speeds = [1e9, *[0.001] * (pace.PATIENCE - 1), 1e9, *[0.001] * (pace.PATIENCE - 1)]
    assert not any(pace.is_lost(speed, *batch) for speed in speeds)


@pytest.mark.usefixtures("two_threads")
def test_all_threads_come_back_when_the_processor_is_free_again(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """After half a minute of training on one thread all are tried; three times quicker in a row, and they compute again."""
    state = TrainingState.new(on_cpu())
    pace, batch = Pace(state), (little.images[:20, None] / 255, little.labels[:20])
    tried: list[int] = []
    quick = {"together": 200.0}
    monkeypatch.setattr(pace, "_tried", lambda threads, *_: tried.append(threads) or quick["together"])
    assert not pace.is_regained(100.0, *batch), "it was never lost"
    monkeypatch.setattr(pace, "PATIENCE", 1)
    assert pace.is_lost(0.001, *batch)
    torch.set_num_threads(1)
    assert not pace.is_regained(100.0, *batch)
    assert tried == [1], "not at once"
    state.seconds += 31
    assert [pace.is_regained(100.0, *batch) for _time in range(3)] == [False, False, True]
    assert tried == [1, 2, 2, 2]
    assert not pace.is_regained(100.0, *batch), "it has them"

    torch.set_num_threads(2)
    assert pace.is_lost(0.001, *batch)
    state.seconds, quick["together"] = state.seconds + 31, 110.0
    assert not pace.is_regained(100.0, *batch)
    quick["together"] = 200.0
    assert not pace.is_regained(100.0, *batch), "no gain: the next try is half a minute away"


def test_numbers_below_the_normal_range_are_zero():
    """What decays below float32's normal range does not stay there, where some processors compute a hundred times slower."""
    TrainingState.new(on_cpu())
    assert float(torch.tensor(1e-30) * torch.tensor(1e-10)) == 0.0
    state = TrainingState.new(on_cpu(architecture="residual", optimizer="muon"))
    for parameter in state.net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    hidden = state.optimizer.param_groups[0]["params"][0]
    momentum = state.optimizer.state[hidden]["momentum_buffer"].fill_(2e-38)
    for _step in range(20):
        state.optimizer.step()
    assert momentum.count_nonzero() == 0

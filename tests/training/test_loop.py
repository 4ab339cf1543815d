"""Training: the notebook's arithmetic, repeatable, and able to go on where it was left."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import Normalize

from fmnist_core.data.dataset import epoch_order, tutorial_loader
from fmnist_core.networks.net import Net
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training import loop
from fmnist_core.training.devices import available_devices, find_device
from fmnist_core.training.events import Diverged, Event, Losses, Measured, Started
from fmnist_core.training.loop import batches, train
from fmnist_core.training.measuring import measure
from fmnist_core.training.state import TrainingData, TrainingState


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """The whole data set."""
    return TrainingData.load(torch.device("cpu"))


@pytest.fixture(scope="module")
def little(data: TrainingData) -> TrainingData:
    """1,000 real images to train on and 300 to test on: an epoch of it takes a moment."""
    return TrainingData(data.images[:1000], data.labels[:1000], data.test_images[:300], data.test_labels[:300])


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event after each step, so that a test can stop anywhere."""
    monkeypatch.setattr(loop, "NEWS_EVERY", 0.0)


def on_cpu(**settings: object) -> TrainingConfig:
    return TrainingConfig.from_dict({"device": "cpu", **settings})


def first_losses(events: Iterator[Event], count: int) -> list[float]:
    losses: list[float] = []
    for event in events:
        if isinstance(event, Losses):
            losses += event.losses
        if len(losses) >= count:
            break
    return losses[:count]


def notebook_losses(config: TrainingConfig, steps: int) -> list[float]:
    """The tutorial's training loop as it is published, but for the order of the images, which is given."""
    torch.manual_seed(config.seed)
    net = Net(dropout=config.dropout)
    images = tutorial_loader("train").dataset
    loader = DataLoader(
        images,
        batch_size=config.batch_size,
        sampler=epoch_order(60_000, config.seed, 0).tolist(),
        generator=torch.Generator(),  # so that the loader leaves alone the generator that dropout draws from
    )
    criterion = nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
    optimizer: torch.optim.Optimizer
    if config.optimizer == "adam":
        optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    else:
        options = {"weight_decay": config.weight_decay, "nesterov": config.optimizer == "nesterov"}
        optimizer = torch.optim.SGD(net.parameters(), lr=config.learning_rate, momentum=config.momentum, **options)
    schedulers = torch.optim.lr_scheduler
    scheduler: torch.optim.lr_scheduler.LRScheduler = schedulers.ConstantLR(optimizer, factor=1)
    if config.schedule == "cosine":
        scheduler = schedulers.CosineAnnealingLR(optimizer, steps)
    elif config.schedule == "one-cycle":
        shape = {"pct_start": 0.2, "anneal_strategy": "linear", "cycle_momentum": False}
        scheduler = schedulers.OneCycleLR(optimizer, config.learning_rate, steps, **shape)
    normalise = Normalize((0.2860,), (0.3530,)) if config.standardise else nn.Identity()
    losses = []
    net.train()
    for inputs, labels in islice(loader, steps):
        optimizer.zero_grad()
        outputs = net(normalise(inputs))
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


# --- The same as the notebook --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, 150),
        ({"dropout": 0.0, "learning_rate": 0.01}, 100),
        ({"batch_size": 256, "learning_rate": 0.05}, 25),
        ({"optimizer": "adam", "batch_size": 64}, 30),
        ({"optimizer": "nesterov", "weight_decay": 0.01, "label_smoothing": 0.2, "learning_rate": 0.02}, 30),
        ({"schedule": "one-cycle", "step_limit": 25, "learning_rate": 0.05, "batch_size": 64}, 25),
        ({"schedule": "cosine", "step_limit": 25, "learning_rate": 0.05, "batch_size": 64, "standardise": True}, 25),
    ],
)
def test_losses_are_those_of_the_notebooks_own_loop(data: TrainingData, settings: dict[str, object], steps: int):
    """Same weights, same images, same dropout: every loss is the notebook's, to the accuracy of float32."""
    config = on_cpu(**settings)
    few = replace(data, test_images=data.test_images[:100], test_labels=data.test_labels[:100])  # to be measured on
    ours = first_losses(train(TrainingState.new(config), few), steps)
    assert ours == pytest.approx(notebook_losses(config, steps), rel=2e-4)


def test_fresh_weights_are_the_notebooks():
    """`torch.manual_seed(seed); Net()` gives the weights that a run with that seed starts from."""
    state = TrainingState.new(on_cpu(seed=7))
    torch.manual_seed(7)
    for ours, theirs in zip(state.net.parameters(), Net().parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_batches_are_what_the_tutorials_loader_gives(data: TrainingData):
    """Images and labels of a batch are, bit for bit, those of torchvision's data set with `ToTensor`."""
    theirs = tutorial_loader("train").dataset
    config = on_cpu(seed=3)
    images, labels = next(batches(data, config, epoch=2))
    for position, index in enumerate(epoch_order(60_000, 3, 2)[:20]):
        image, label = theirs[int(index)]
        assert torch.equal(images[position], image)
        assert labels[position] == label


# --- Order ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 96, 1000, 5000])
def test_an_epoch_shows_every_image_once(little: TrainingData, size: int):
    """All batches together are the training set, whatever the batch size; only the last may be smaller."""
    numbered = TrainingData(little.images, torch.arange(1000), little.test_images, little.test_labels)
    seen = [labels for _, labels in batches(numbered, on_cpu(batch_size=size), epoch=0)]
    assert sorted(torch.cat(seen).tolist()) == list(range(1000))
    assert all(len(labels) == min(size, 1000) for labels in seen[:-1])


def test_skipped_batches_are_the_first_ones(little: TrainingData):
    """Going on in the middle of an epoch takes up the order where it was left."""
    config = on_cpu(batch_size=96)
    whole = list(batches(little, config, epoch=1))
    for (images, labels), (expected, expected_labels) in zip(
        batches(little, config, epoch=1, skip=4), whole[4:], strict=True
    ):
        assert torch.equal(images, expected)
        assert torch.equal(labels, expected_labels)


# --- Repeatable ----------------------------------------------------------------------------------------------------


def test_same_seed_same_losses(little: TrainingData):
    """A run can be repeated exactly: the seed fixes the weights, the order of the images and the dropout."""
    first, again, other = (first_losses(train(TrainingState.new(on_cpu(seed=seed)), little), 50) for seed in (0, 0, 1))
    assert first == again
    assert first != other


EVERYTHING = {
    "schedule": "one-cycle", "weight_decay": 0.01, "label_smoothing": 0.1, "shift": 2, "flip": True, "erase": 5,
    "standardise": True, "flip_test": True,
}  # fmt: skip


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize(
    ("settings", "stop_at"),
    [
        *[({"optimizer": "sgd"}, stop_at) for stop_at in (0, 1, 6, 11, 15)],
        ({"optimizer": "adam"}, 6),
        ({"optimizer": "nesterov", **EVERYTHING}, 15),
        ({"optimizer": "muon", "architecture": "residual", **EVERYTHING}, 6),
        ({"optimizer": "adam", "architecture": "perceptron", **EVERYTHING, "loss": "one-vs-rest"}, 11),
    ],
)
def test_going_on_from_a_checkpoint_gives_the_same_bits(
    little: TrainingData, settings: dict[str, object], stop_at: int
):
    """Stopped anywhere (before, within, at the end of an epoch) and restored, a run ends with the very same weights."""
    config = on_cpu(batch_size=96, epochs=2, learning_rate=0.01, **settings)  # 11 steps in an epoch
    undisturbed = TrainingState.new(config)
    expected = first_losses(train(undisturbed, little), 22)

    stopped = TrainingState.new(config)
    losses = first_losses(train(stopped, little), stop_at) if stop_at else []
    tensors = {name: tensor.clone() for name, tensor in stopped.tensors().items()}
    torch.rand(1000)  # something else uses the generator in between
    resumed = TrainingState.restore(config, tensors, stopped.step, stopped.seconds)
    assert (resumed.step, resumed.seconds) == (stop_at, stopped.seconds)
    losses += first_losses(train(resumed, little), 22 - stop_at)

    assert losses == expected
    for name, tensor in undisturbed.tensors().items():
        assert torch.equal(tensor, resumed.tensors()[name]), name


def test_a_checkpoint_of_another_network_is_refused():
    """Tensors that do not fit the settings are an error, not a silent mixture."""
    tensors = TrainingState.new(on_cpu()).tensors()
    with pytest.raises(RuntimeError, match="fc1"):
        TrainingState.restore(on_cpu(hidden_units=40), tensors, 0, 0.0)


def test_a_listener_does_not_change_the_result(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """How often training tells of itself has no influence on what it does."""
    seldom = first_losses(train(TrainingState.new(on_cpu()), little), 50)
    monkeypatch.setattr(loop, "NEWS_EVERY", 0.0)
    assert first_losses(train(TrainingState.new(on_cpu()), little), 50) == seldom


# --- What it tells -------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("every_step")
def test_events_tell_the_whole_story(little: TrainingData):
    """Started, measured before, every step once and in order, measured after each epoch; then the end."""
    config = on_cpu(epochs=2, batch_size=96)
    state = TrainingState.new(config)
    events = list(train(state, little))
    started, steps = events[0], [event for event in events if isinstance(event, Losses)]
    assert started == Started(0, 22, 11, "cpu", torch.get_num_threads(), 27_480)
    assert [(e.step, e.epoch) for e in events if isinstance(e, Measured)] == [(0, 0), (11, 1), (22, 2)]
    assert isinstance(events[2], Measured)
    assert isinstance(events[-1], Measured)
    assert [event.step for event in steps] == list(range(22))
    assert all(len(event.losses) == 1 for event in steps)
    seconds = [event.seconds for event in steps]
    assert seconds == sorted(seconds)
    assert state.seconds == seconds[-1] > 0
    assert state.step == 22


@pytest.mark.usefixtures("every_step")
def test_losses_are_exact(little: TrainingData):
    """What is told is the float32 that was computed, not a rounding of it."""
    losses = first_losses(train(TrainingState.new(on_cpu()), little), 50)
    assert all(str(np.float32(loss)) == str(loss) for loss in losses)


def test_time_spent_listening_is_not_training_time(little: TrainingData):
    """Seconds count training only: what the listener does between two events does not count."""
    state, began, listened = TrainingState.new(on_cpu(batch_size=500, epochs=2)), time.perf_counter(), 0.0
    for _event in train(state, little):
        heard = time.perf_counter()
        time.sleep(0.05)
        listened += time.perf_counter() - heard
    assert 0 < state.seconds <= time.perf_counter() - began - listened


@pytest.mark.usefixtures("every_step")
def test_measuring_does_not_disturb_training(little: TrainingData):
    """A measurement in the middle changes neither the mode nor the losses that follow."""
    expected = first_losses(train(TrainingState.new(on_cpu()), little), 20)
    state = TrainingState.new(on_cpu())
    losses: list[float] = []
    for event in train(state, little):
        if isinstance(event, Losses):
            losses += event.losses
            measure(state, little)
            assert state.net.training
        if len(losses) == 20:
            break
    assert losses == expected


def test_a_measurement_within_an_epoch_says_how_far_it_was(little: TrainingData):
    """22 steps of 11 an epoch: step 5 is epoch 5/11, step 11 is epoch 1."""
    state = TrainingState.new(on_cpu(batch_size=96))
    for step, epoch in ((0, 0), (5, 5 / 11), (11, 1), (13, 1 + 2 / 11)):
        state.step = step
        assert measure(state, little)[-1].epoch == pytest.approx(epoch)


# --- Learning ------------------------------------------------------------------------------------------------------


def test_accuracy_before_training_is_chance(data: TrainingData):
    """Fresh weights know nothing: about 10 % on average over seeds, and a loss near ln 10."""
    some = replace(data, test_images=data.test_images[:2000], test_labels=data.test_labels[:2000])
    scores = [measure(TrainingState.new(on_cpu(seed=seed)), some)[-1].test for seed in range(6)]
    assert np.mean([score.accuracy for score in scores]) == pytest.approx(0.10, abs=0.03)
    assert all(score.accuracy < 0.25 for score in scores)
    assert all(score.loss == pytest.approx(np.log(10), abs=0.03) for score in scores)


def test_a_few_hundred_steps_teach_it_something(data: TrainingData):
    """300 steps of 64 real images: the loss falls, and more than 60 % of the test images are right."""
    state = TrainingState.new(on_cpu(batch_size=64, learning_rate=0.05))
    losses = first_losses(train(state, data), 300)
    assert np.mean(losses[-50:]) < 0.5 * np.mean(losses[:50])
    assert measure(state, data)[-1].test.accuracy > 0.60


# --- What goes wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("news_every", [0.0, 1000.0])
def test_a_loss_that_is_not_finite_ends_the_run(
    little: TrainingData, monkeypatch: pytest.MonkeyPatch, news_every: float
):
    """`Diverged` names step and learning rate and is the last event; every loss before it is finite and told."""
    monkeypatch.setattr(loop, "NEWS_EVERY", news_every)
    wide = on_cpu(learning_rate=10.0, dropout=0.0, conv1_channels=256, conv2_channels=64, hidden_units=256)
    events = list(train(TrainingState.new(wide), little))
    last, losses = events[-1], [loss for event in events if isinstance(event, Losses) for loss in event.losses]
    assert isinstance(last, Diverged)
    assert (last.step, last.learning_rate) == (len(losses) + 1, 10.0)
    assert not np.isfinite(last.loss)
    assert 0 < len(losses) < 50
    assert np.isfinite(losses).all()


def test_is_finite_notices_a_single_weight():
    """One infinite weight is enough for a state not to be worth keeping."""
    state = TrainingState.new(on_cpu())
    assert state.is_finite
    with torch.no_grad():
        state.net.fc2.bias[3] = float("inf")
    assert not state.is_finite


def test_a_device_that_is_not_there_is_refused():
    """The message names the device and what there is instead."""
    missing = next(name for name in ("mps", "cuda") if name not in available_devices())
    with pytest.raises(ValueError, match=rf"This machine has no device '{missing}', only .*cpu\."):
        TrainingState.new(on_cpu(device=missing))


def test_auto_is_the_fastest_device():
    """ "auto" takes the first of what there is; the CPU is always there."""
    assert find_device("auto").type == available_devices()[0]
    assert available_devices()[-1] == "cpu"

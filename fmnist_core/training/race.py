"""A race: many copies of the tutorial's network, trained at once. `copies.py` has how; here is what is told of it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from fmnist_core.data import dataset
from fmnist_core.networks.net import Net
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.training.compiled import engine
from fmnist_core.training.devices import find_device
from fmnist_core.training.events import CopiesMeasured, CopyLosses, Event, Started
from fmnist_core.training.events import Engine as UsedEngine
from fmnist_core.training.replicas import BatchedCopies, CompiledCopies, Copies
from fmnist_core.training.state import TrainingData, extent

NOT_RACED = (
    "architecture", "optimizer", "schedule", "weight_decay", "loss", "label_smoothing", "shift", "flip", "erase",
    "flip_test", "step_limit",
)  # fmt: skip
"""Settings that stay the tutorial's."""


def race(config: TrainingConfig, job: Race, data: TrainingData) -> Iterator[Event]:
    """Train all copies for `config.epochs` epochs; a copy whose loss is no number drops out and harms no other.

    After each epoch all copies are measured: on the training images that `config` holds out, or, where there are none, on
    the test images. Raises ValueError for settings that a race does not have.
    """
    for name in NOT_RACED:
        if getattr(config, name) != getattr(TrainingConfig, name):
            raise ValueError(f"{name} cannot be {getattr(config, name)!r} in a race")
    copies = make_copies(config, job)
    steps_per_epoch, steps = extent(config, data)
    parameters = sum(parameter.numel() for parameter in _net(config).parameters())
    device, threads = find_device(config.device).type, torch.get_num_threads()
    used: UsedEngine = "compiled" if isinstance(copies, CompiledCopies) else "torch"
    yield Started(0, steps, steps_per_epoch, device, threads, parameters, used)
    step, seconds = 0, 0.0
    for epoch in range(config.epochs):
        began = time.perf_counter()
        for values in copies.train(data, epoch):
            seconds += time.perf_counter() - began
            losses, rows = _spread(values, copies.numbers, job.copies)
            yield CopyLosses(step, losses, seconds)
            step += len(values)
            if len(rows) < len(copies.numbers):
                copies.keep(rows)
            if not rows:
                return
            began = time.perf_counter()
        yield CopiesMeasured(step, float(epoch + 1), seconds, measure(copies, config, data, job.copies))


def make_copies(config: TrainingConfig, job: Race) -> Copies:
    """Fresh ones: in the compiled engine where there is one, else as one batched model."""
    net = _net(config)
    covered = engine.covers(net, torch.optim.SGD(net.parameters()), find_device(config.device))
    if covered and (found := engine.find()):
        return CompiledCopies(config, job, found)
    return BatchedCopies(config, job)


def measure(copies: Copies, config: TrainingConfig, data: TrainingData, count: int) -> tuple[float | None, ...]:
    """Accuracy of all `count` copies on the held-out images; None for a copy that is out."""
    images, labels = data.test_images, data.test_labels
    if config.validation:
        held_out = torch.from_numpy(dataset.held_out(config.validation, config.fold)).to(images.device)
        images, labels = data.images[held_out], data.labels[held_out]
    accuracy: list[float | None] = [None] * count
    for number, value in zip(copies.numbers, copies.accuracies(images, labels), strict=True):
        accuracy[number] = value if math.isfinite(value) else None
    return tuple(accuracy)


def _net(config: TrainingConfig) -> Net:
    return Net(config.conv1_channels, config.conv2_channels, config.hidden_units)


def _spread(
    values: npt.NDArray[np.float32], numbers: list[int], copies: int
) -> tuple[tuple[tuple[float | None, ...], ...], list[int]]:
    """Losses (steps, copies that are in) with a column for every copy, and the rows of the copies that can go on."""
    finite = np.isfinite(values).cumprod(0).astype(bool)  # a copy that is out stays out
    losses: list[tuple[float | None, ...]] = []
    for row, is_in in zip(values, finite, strict=True):
        line: list[float | None] = [None] * copies
        for number, value, alive in zip(numbers, row, is_in, strict=True):
            if alive:
                line[number] = float(str(value))  # the shortest decimals that give the same float32 again
        losses.append(tuple(line))
    return tuple(losses), np.flatnonzero(finite[-1]).tolist()

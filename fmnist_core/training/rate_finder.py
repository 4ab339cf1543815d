"""The learning-rate finder: some hundred training steps, each with a larger learning rate than the one before."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import count, islice

import torch

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import OUT_OF_HAND, RateTest
from fmnist_core.training.events import Event, Losses, Started
from fmnist_core.training.loop import NEWS_EVERY, batches
from fmnist_core.training.objective import mean_loss
from fmnist_core.training.precision import precision
from fmnist_core.training.state import TrainingData, TrainingState, extent


def rate_test(config: TrainingConfig, test: RateTest, data: TrainingData) -> Iterator[Event]:
    """Train a fresh network of `config` for `test.steps` steps and tell the loss of each.

    Ends early where there is nothing more to see: the loss is no number, or far above the first one.
    """
    state = TrainingState.new(config)
    parameters = sum(parameter.numel() for parameter in state.net.parameters())
    steps_per_epoch, _ = extent(config, data)
    yield Started(0, test.steps, steps_per_epoch, state.device.type, torch.get_num_threads(), parameters)
    state.net.train()
    reduced = precision(state.device, config.architecture)
    waiting: list[float] = []
    first, began = math.inf, time.perf_counter()
    for images, labels in islice(_all_batches(data, config), test.steps):
        state.optimizer.zero_grad()
        with reduced:  # as training computes: a rate that is good in float32 may not be in bfloat16
            loss = mean_loss(config, state.net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        state.learning_rate = test.learning_rate(state.step)
        state.optimizer.step()
        state.step += 1
        value = loss.item()  # a hundred times only: each decides whether to go on
        if not math.isfinite(value):
            break
        waiting.append(value)
        first = value if state.step == 1 else first
        if value > OUT_OF_HAND * first:
            break
        if (now := time.perf_counter()) - began > NEWS_EVERY:
            state.seconds += now - began
            yield Losses(state.step - len(waiting), tuple(waiting), state.seconds)
            waiting, began = [], time.perf_counter()
    if waiting:
        state.seconds += time.perf_counter() - began
        yield Losses(state.step - len(waiting), tuple(waiting), state.seconds)


def _all_batches(data: TrainingData, config: TrainingConfig) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Epoch after epoch: large batches make few steps an epoch."""
    for epoch in count():
        yield from batches(data, config, epoch)

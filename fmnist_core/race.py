"""Many copies of the tutorial's network, trained at once as one batched model.

A small network leaves a processor waiting: at batch size 20 most of the time goes into calling some fifty operations, not
into their arithmetic. So the weights of all copies are stacked into one tensor, and each operation does its work for all of
them: convolutions in groups, linear layers as batched matrix products. No copy sees another one's numbers.

Each copy is the run that `training.train` would make with its seed and its learning rate: same first weights, same order of
the images, same dropout, same losses to float rounding (tests/test_race.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from fmnist_core import dataset
from fmnist_core.architectures import build
from fmnist_core.evaluation import as_input
from fmnist_core.events import CopiesMeasured, CopyLosses, Event, Started
from fmnist_core.jobs import Race
from fmnist_core.recipes import TrainingConfig
from fmnist_core.training import GATHERED, NEWS_EVERY, TrainingData, extent, find_device

NOT_RACED = (
    "architecture", "optimizer", "schedule", "weight_decay", "loss", "label_smoothing", "shift", "flip", "erase",
    "flip_test", "step_limit",
)  # fmt: skip
"""Settings that stay the tutorial's."""
MEASURED_AT_ONCE = 500
"""Images of each copy in one evaluation step."""


@dataclass
class Copies:
    """The copies that are still in the race; the rows of every tensor belong to them."""

    config: TrainingConfig
    numbers: list[int]
    """Which copies they are, counted from 0."""
    weights: torch.Tensor
    """(copies, parameters) float32: all weights and biases of a copy in one row."""
    velocity: torch.Tensor
    """(copies, parameters): SGD's memory of its last steps."""
    rates: torch.Tensor
    """(copies, 1): learning rates."""
    seeds: list[int]
    generators: list[torch.Generator]
    """One for each copy's dropout."""

    @classmethod
    def new(cls, config: TrainingConfig, job: Race) -> Copies:
        """Fresh weights, each copy's as its seed gives them."""
        rows, generators = [], []
        seeds, rates = job.seeds(config), job.learning_rates(config)
        device = find_device(config.device)
        for seed in seeds:
            torch.manual_seed(seed)
            net = build(config)
            rows.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
            generator = torch.Generator(device)
            if device.type == "cpu":
                generator.set_state(torch.get_rng_state())  # dropout goes on where the weights have ended
            else:
                generator.manual_seed(seed)
            generators.append(generator)
        weights = torch.stack(rows).to(device)
        column = torch.tensor(rates, device=device)[:, None]
        return cls(config, list(range(job.copies)), weights, torch.zeros_like(weights), column, list(seeds), generators)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One weight update of every copy with its own batch, (copies, batch, 28, 28) float32; the losses, (copies,)."""
        weights = self.weights.requires_grad_()
        logits = self.logits(weights, images, training=True)  # (copies, batch, 10)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape).mean(1)
        (gradient,) = torch.autograd.grad(losses.sum(), weights)  # the copies share nothing: each gets its own gradient
        with torch.no_grad():
            self.weights = weights.detach()
            self.velocity.mul_(self.config.momentum).add_(gradient)
            self.weights.addcmul_(self.velocity, self.rates, value=-1)
        return losses.detach()

    def logits(self, weights: torch.Tensor, images: torch.Tensor, *, training: bool) -> torch.Tensor:
        """`Net.forward` for all copies: (copies, batch, 28, 28) in, (copies, batch, 10) out."""
        c, copies, batch = self.config, len(images), images.shape[1]
        shapes = (
            (c.conv1_channels, 1, 3, 3), (c.conv1_channels,),
            (c.conv2_channels, c.conv1_channels, 3, 3), (c.conv2_channels,),
            (c.hidden_units, c.conv2_channels * 25), (c.hidden_units,),
            (10, c.hidden_units), (10,),
        )  # fmt: skip
        parts = torch.split(weights, [math.prod(shape) for shape in shapes], dim=1)
        conv1, bias1, conv2, bias2, fc1, bias3, fc2, bias4 = (
            part.reshape(copies, *shape) for part, shape in zip(parts, shapes, strict=True)
        )
        # the copies' channels beside each other, a group for each copy
        x = images.transpose(0, 1).contiguous(memory_format=torch.channels_last)  # (batch, copies, 28, 28)
        x = F.conv2d(x, conv1.flatten(0, 1), bias1.flatten(), groups=copies)
        x = F.relu(F.max_pool2d(x, 2))  # (batch, copies * 10, 13, 13)
        x = F.conv2d(x, conv2.flatten(0, 1), bias2.flatten(), groups=copies)
        x = F.relu(F.max_pool2d(x, 2))  # (batch, copies * 20, 5, 5)
        x = x.reshape(batch, copies, -1).transpose(0, 1)  # (copies, batch, 500)
        x = F.relu(torch.baddbmm(bias3[:, None], x, fc1.transpose(1, 2)))  # (copies, batch, 50)
        if training and c.dropout:
            x = x * self._dropout(x)
        return torch.baddbmm(bias4[:, None], x, fc2.transpose(1, 2))  # (copies, batch, 10)

    def _dropout(self, x: torch.Tensor) -> torch.Tensor:
        """What each hidden unit is multiplied by: 0, or as much as makes up for those left out."""
        kept, mask = 1 - self.config.dropout, torch.empty_like(x)
        for row, generator in zip(mask, self.generators, strict=True):
            row.bernoulli_(kept, generator=generator)
        return mask.div_(kept)

    def keep(self, rows: list[int]) -> None:
        """Only these copies go on."""
        self.weights, self.velocity, self.rates = self.weights[rows], self.velocity[rows], self.rates[rows]
        self.numbers, self.seeds = [self.numbers[row] for row in rows], [self.seeds[row] for row in rows]
        self.generators = [self.generators[row] for row in rows]


def race(config: TrainingConfig, job: Race, data: TrainingData) -> Iterator[Event]:
    """Train all copies for `config.epochs` epochs; a copy whose loss is no number drops out and harms no other.

    After each epoch all copies are measured: on the training images that `config` holds out, or, where there are none, on
    the test images. Raises ValueError for settings that a race does not have.
    """
    for name in NOT_RACED:
        if getattr(config, name) != getattr(TrainingConfig, name):
            raise ValueError(f"{name} cannot be {getattr(config, name)!r} in a race")
    copies = Copies.new(config, job)
    steps_per_epoch, steps = extent(config, data)
    step, seconds = 0, 0.0
    device, parameters = copies.weights.device.type, copies.weights.shape[1]
    yield Started(0, steps, steps_per_epoch, device, torch.get_num_threads(), parameters)
    for epoch in range(config.epochs):
        waiting: list[torch.Tensor] = []
        began = time.perf_counter()
        for images, labels in _batches(data, copies, epoch):
            waiting.append(copies.step(images, labels))
            step += 1
            if time.perf_counter() - began < NEWS_EVERY and step % steps_per_epoch:
                continue
            losses, rows = _spread(waiting, copies.numbers, job.copies)
            now = time.perf_counter()
            seconds += now - began
            yield CopyLosses(step - len(waiting), losses, seconds)
            if len(rows) < len(copies.numbers):
                copies.keep(rows)
            if not rows:
                return
            waiting, began = [], time.perf_counter()
        yield CopiesMeasured(step, float(epoch + 1), seconds, measure(copies, data, job.copies))


def _spread(
    waiting: list[torch.Tensor], numbers: list[int], copies: int
) -> tuple[tuple[tuple[float | None, ...], ...], list[int]]:
    """The losses of some steps with a column for every copy, and the rows of the copies that can go on."""
    values = torch.stack(waiting).cpu().numpy()  # (steps, copies that are in): waits for the device
    finite = np.isfinite(values).cumprod(0).astype(bool)  # a copy that is out stays out
    losses: list[tuple[float | None, ...]] = []
    for row, is_in in zip(values, finite, strict=True):
        line: list[float | None] = [None] * copies
        for number, value, alive in zip(numbers, row, is_in, strict=True):
            if alive:
                line[number] = float(str(value))  # the shortest decimals that give the same float32 again
        losses.append(tuple(line))
    return tuple(losses), np.flatnonzero(finite[-1]).tolist()


def _batches(data: TrainingData, copies: Copies, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Every copy's batches of one epoch: images (copies, batch, 28, 28) float32, labels (copies, batch).

    Copies may drop out between two batches: then the rest of what is gathered loses their rows.
    """
    config, size = copies.config, copies.config.batch_size
    kept = dataset.trained_on(len(data.labels), config.validation, config.fold)
    orders = {seed: torch.from_numpy(kept[dataset.epoch_order(len(kept), seed, epoch)]) for seed in set(copies.seeds)}
    block = max(1, GATHERED // (size * len(copies.numbers))) * size
    for start in range(0, len(kept), block):
        rows = torch.stack([orders[seed][start : start + block] for seed in copies.seeds]).to(data.images.device)
        images, labels = as_input(data.images[rows], standardise=config.standardise), data.labels[rows]
        numbers = list(copies.numbers)
        for some, these in zip(torch.split(images, size, dim=1), torch.split(labels, size, dim=1), strict=True):
            if numbers == copies.numbers:
                yield some, these
            else:
                rest = [numbers.index(number) for number in copies.numbers]
                yield some[rest], these[rest]


@torch.no_grad()
def measure(copies: Copies, data: TrainingData, count: int) -> tuple[float | None, ...]:
    """Accuracy of every copy on the held-out images, in evaluation mode; None for a copy that is out. (count,)."""
    config, right = copies.config, torch.zeros(len(copies.numbers), device=copies.weights.device)
    held_out = torch.from_numpy(dataset.held_out(config.validation, config.fold)).to(right.device)
    images, labels = data.test_images, data.test_labels
    if config.validation:
        images, labels = data.images[held_out], data.labels[held_out]
    for some, true in zip(torch.split(images, MEASURED_AT_ONCE), torch.split(labels, MEASURED_AT_ONCE), strict=True):
        inputs = as_input(some, standardise=config.standardise).view(1, -1, 28, 28)
        predicted = copies.logits(copies.weights, inputs.expand(len(right), -1, -1, -1), training=False).argmax(2)
        right += (predicted == true).sum(1)  # (copies, some)
    accuracy: list[float | None] = [None] * count
    for number, value in zip(copies.numbers, (right / len(labels)).tolist(), strict=True):
        accuracy[number] = value
    return tuple(accuracy)

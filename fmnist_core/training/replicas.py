"""Copies of the tutorial's network that train side by side: as one batched model in PyTorch, or in the compiled engine.

Each copy is the run that `training.train` would make with its seed and its learning rate: same first weights, same order of
the images, same dropout, same losses to float rounding (tests/test_race.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import as_input
from fmnist_core.networks import net as network
from fmnist_core.networks.net import Net, QuickNet
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.training.compiled.engine import Engine
from fmnist_core.training.devices import find_device
from fmnist_core.training.loop import GATHERED, NEWS_EVERY
from fmnist_core.training.measuring import evaluated
from fmnist_core.training.state import TrainingData

LEAST_STEPS = 20
"""Of each copy in one call of the compiled engine: fewer would cost more for the call than for the arithmetic."""
MEASURED_AT_ONCE = 500
"""Images of each copy in one evaluation step."""


class Copies(Protocol):
    """Those that are still in the race; whatever is said of several copies is in the order of `numbers`."""

    numbers: list[int]
    """Which copies they are, counted from 0."""

    def train(self, data: TrainingData, epoch: int) -> Iterator[npt.NDArray[np.float32]]:
        """One epoch, some steps at a time: their losses, (steps, copies). `keep` may be called in between."""

    def keep(self, rows: list[int]) -> None:
        """Only these copies go on."""

    def accuracies(self, images: torch.Tensor, labels: torch.Tensor) -> list[float]:
        """The share of `images` that each copy has right, in evaluation mode; NaN where its logits have overflowed."""


def _order(data: TrainingData, config: TrainingConfig, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """The training images of one epoch in the order of that seed."""
    return dataset.epoch_order(len(data.labels), seed, epoch, config.validation, config.fold)


# --- One batched model ---------------------------------------------------------------------------------------------


class BatchedCopies:
    """The weights of all copies are stacked, and each operation does its work for all of them.

    A small network leaves a processor waiting: at batch size 20 most of the time goes into calling some fifty operations,
    not into their arithmetic. Convolutions work in groups, linear layers as batched matrix products; no copy sees another
    one's numbers.
    """

    def __init__(self, config: TrainingConfig, job: Race) -> None:
        self.config, self.numbers, self.seeds = config, list(range(job.copies)), list(job.seeds(config))
        rows, device = [], find_device(config.device)
        self.generators: list[torch.Generator] = []
        """One for each copy's dropout."""
        for seed in self.seeds:
            torch.manual_seed(seed)
            net = network.build(config)
            rows.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
            generator = torch.Generator(device)
            if device.type == "cpu":
                generator.set_state(torch.get_rng_state())  # dropout goes on where the weights have ended
            else:
                generator.manual_seed(seed)
            self.generators.append(generator)
        self.weights = torch.stack(rows).to(device)  # (copies, parameters)
        self.velocity = torch.zeros_like(self.weights)  # SGD's memory of its last steps
        self.rates = torch.tensor(job.learning_rates(config), device=device)[:, None]  # (copies, 1)
        self.threads = torch.get_num_threads() if device.type == "cpu" else 1
        self.pool = ThreadPoolExecutor(self.threads)

    def train(self, data: TrainingData, epoch: int) -> Iterator[npt.NDArray[np.float32]]:
        """See `Copies`."""
        waiting: list[torch.Tensor] = []
        began = time.perf_counter()
        for images, labels in self._batches(data, epoch):
            waiting.append(self.step(images, labels))
            if time.perf_counter() - began >= NEWS_EVERY:
                yield torch.stack(waiting).cpu().numpy()  # waits for the device
                waiting, began = [], time.perf_counter()
        if waiting:
            yield torch.stack(waiting).cpu().numpy()

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One weight update of every copy with its own batch, (copies, batch, 28, 28) float32; the losses, (copies,).

        Each thread computes for some of the copies: two that shared each operation would wait for each other in all of them.
        """
        ends = [round(len(images) * part / self.threads) for part in range(self.threads + 1)]
        parts = [slice(first, last) for first, last in pairwise(ends) if first < last]
        if len(parts) == 1:
            return self._update(images, labels, parts[0])
        losses = torch.cat(list(self.pool.map(partial(self._alone, images, labels), parts)))
        torch.set_num_threads(self.threads)  # what threads that begin later take over
        return losses

    def _alone(self, images: torch.Tensor, labels: torch.Tensor, some: slice) -> torch.Tensor:
        torch.set_num_threads(1)  # of this thread
        return self._update(images, labels, some)

    def _update(self, images: torch.Tensor, labels: torch.Tensor, some: slice) -> torch.Tensor:
        """The same for some of the copies."""
        weights, images, labels = self.weights[some].clone().requires_grad_(), images[some], labels[some]
        logits = self.logits(weights, images, self.generators[some])  # (some, batch, 10)
        losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape).mean(1)
        (gradient,) = torch.autograd.grad(losses.sum(), weights)  # the copies share nothing: each gets its own gradient
        with torch.no_grad():
            self.velocity[some].mul_(self.config.momentum).add_(gradient)
            self.weights[some].addcmul_(self.velocity[some], self.rates[some], value=-1)
        return losses.detach()

    def logits(
        self, weights: torch.Tensor, images: torch.Tensor, generators: Sequence[torch.Generator] = ()
    ) -> torch.Tensor:
        """`Net.forward` for these copies: (copies, batch, 28, 28) in, (copies, batch, 10) out; in training with their generators."""
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
        if generators and c.dropout:
            x = x * self._dropout(x, generators)
        return torch.baddbmm(bias4[:, None], x, fc2.transpose(1, 2))  # (copies, batch, 10)

    def _dropout(self, x: torch.Tensor, generators: Sequence[torch.Generator]) -> torch.Tensor:
        """What each hidden unit is multiplied by: 0, or as much as makes up for those left out."""
        kept, mask = 1 - self.config.dropout, torch.empty_like(x)
        for row, generator in zip(mask, generators, strict=True):
            row.bernoulli_(kept, generator=generator)
        return mask.div_(kept)

    def _batches(self, data: TrainingData, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Every copy's batches of one epoch: images (copies, batch, 28, 28) float32, labels (copies, batch)."""
        size, orders = self.config.batch_size, {s: _order(data, self.config, s, epoch) for s in set(self.seeds)}
        block = max(1, GATHERED // (size * len(self.numbers))) * size
        for start in range(0, len(orders[self.seeds[0]]), block):
            some = np.stack([orders[seed][start : start + block] for seed in self.seeds])
            rows = torch.from_numpy(some).to(data.images.device)
            images, labels = as_input(data.images[rows], standardise=self.config.standardise), data.labels[rows]
            numbers = list(self.numbers)
            for pictures, truth in zip(torch.split(images, size, dim=1), torch.split(labels, size, dim=1), strict=True):
                there = [numbers.index(number) for number in self.numbers]  # some may have dropped out since
                yield (pictures, truth) if len(there) == len(numbers) else (pictures[there], truth[there])

    def keep(self, rows: list[int]) -> None:
        """See `Copies`."""
        self.weights, self.velocity, self.rates = self.weights[rows], self.velocity[rows], self.rates[rows]
        self.numbers, self.seeds = [self.numbers[row] for row in rows], [self.seeds[row] for row in rows]
        self.generators = [self.generators[row] for row in rows]

    @torch.no_grad()
    def accuracies(self, images: torch.Tensor, labels: torch.Tensor) -> list[float]:
        """See `Copies`."""
        right = torch.zeros(len(self.numbers), device=self.weights.device)
        finite = torch.ones(len(self.numbers), dtype=torch.bool, device=self.weights.device)
        for some, true in zip(
            torch.split(images, MEASURED_AT_ONCE), torch.split(labels, MEASURED_AT_ONCE), strict=True
        ):
            inputs = as_input(some, standardise=self.config.standardise).view(1, -1, 28, 28)
            logits = self.logits(self.weights, inputs.expand(len(right), -1, -1, -1))
            right += (logits.argmax(2) == true).sum(1)  # (copies, some)
            finite &= logits.isfinite().all(2).all(1)
        shares: list[float] = (right / len(labels)).where(finite, torch.nan).tolist()
        return shares


# --- The compiled engine -------------------------------------------------------------------------------------------


@dataclass
class _Single:
    net: Net
    optimizer: torch.optim.SGD
    seed: int
    rate: float
    generator: torch.Tensor
    """The state of torch's generator that this copy's dropout draws from."""


class CompiledCopies:
    """Each copy takes many steps in one call, on one thread; as many copies at once as there are threads.

    Threads that work for different copies never wait for each other, so this also is quicker than the compiled engine is
    with one run on all threads.
    """

    def __init__(self, config: TrainingConfig, job: Race, engine: Engine) -> None:
        self.config, self.engine, self.numbers = config, engine, list(range(job.copies))
        self.singles, self.speed = [], 0.0
        for seed, rate in zip(job.seeds(config), job.learning_rates(config), strict=True):
            torch.manual_seed(seed)
            net = network.build(config, QuickNet).to(memory_format=torch.channels_last)
            optimizer = torch.optim.SGD(net.parameters(), rate, config.momentum)
            self.singles.append(_Single(net, optimizer, seed, rate, torch.get_rng_state()))
        levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
        self.levels = as_input(levels, standardise=config.standardise).flatten()

    def train(self, data: TrainingData, epoch: int) -> Iterator[npt.NDArray[np.float32]]:
        """See `Copies`."""
        size, threads = self.config.batch_size, torch.get_num_threads()
        orders = {seed: _order(data, self.config, seed, epoch) for seed in {single.seed for single in self.singles}}
        steps, done = -(-len(orders[self.singles[0].seed]) // size), 0
        with ThreadPoolExecutor(threads) as pool:
            while done < steps:
                count = min(max(LEAST_STEPS, round(self.speed * NEWS_EVERY)), steps - done)
                some = slice(done * size, (done + count) * size)

                def take(single: _Single, some: slice = some, count: int = count) -> npt.NDArray[np.float32]:
                    return self.engine.take_steps(
                        single.net,
                        single.optimizer,
                        data.images,
                        data.labels,
                        orders[single.seed][some],
                        batch_size=size,
                        levels=self.levels,
                        learning_rates=[single.rate] * count,
                        threads=1,
                        generator=single.generator,
                    )

                began = time.perf_counter()
                losses = list(pool.map(take, self.singles))
                self.speed = count / (time.perf_counter() - began)
                done += count
                yield np.stack(losses, axis=1)
                if not self.singles:
                    return

    def keep(self, rows: list[int]) -> None:
        """See `Copies`."""
        self.numbers, self.singles = [self.numbers[row] for row in rows], [self.singles[row] for row in rows]

    def accuracies(self, images: torch.Tensor, labels: torch.Tensor) -> list[float]:
        """See `Copies`."""
        config, nets = replace(self.config, flip_test=False), [single.net for single in self.singles]
        found = [evaluated(config, net, images, labels, in_c=True) for net in nets]
        return [one.accuracy if np.isfinite(one.logits).all() else math.nan for one in found]

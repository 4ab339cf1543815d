"""One training run, as a generator that tells what happens.

    state = TrainingState.new(TrainingConfig(epochs=2))
    for event in train(state, TrainingData.load(state.device)):
        print(event)                              # a worker records it; leaving the loop stops the training

Between two events `state` is consistent: it can be saved, and the run goes on from there to the same result, bit for
bit on the same device with the same engine and number of threads.

There are two engines. PyTorch is the one to read: the loop in `train`. The other one is compiled C that takes the same
steps, many in one call (`compiled/`), where there is one for the machine, the network and the optimizer.

With PyTorch, on a processor that is busy with other programs, threads spend their time waiting for each other: on two cores beside one
other busy program, two threads are ten times slower than one. `train` notices that, and goes on with one (`Slowed`).
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from fmnist_core.data import augmentation, dataset
from fmnist_core.evaluation.evaluate import as_input
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.schedules import factor_at
from fmnist_core.training.events import Diverged, Event, Logits, Losses, Reached, Slowed, Started
from fmnist_core.training.measuring import measure
from fmnist_core.training.pace import Pace
from fmnist_core.training.precision import precision
from fmnist_core.training.state import TrainingData, TrainingState, extent

NEWS_EVERY = 0.2
"""Seconds between two `Losses` events: how soon a watcher hears of a step, and how soon a stop is noticed."""

GATHERED = 2048
"""Images that are put into their order and scaled in one go; a batch is a slice of them."""


def train(state: TrainingState, data: TrainingData, stops: Iterable[int] = ()) -> Iterator[Event | Logits | Reached]:
    """Train from where `state` stands to the end of the last epoch; tells of it at least every few tenths of a second.

    Measures before the first step, after each epoch and at the end. Ends early, with `Diverged`, when the loss of a batch or
    of a measurement is not finite.
    `stops`: steps that are `Reached` with everything told before, so that the listener can look at the state, keep it,
    or change it (`TrainingState.change`) at exactly this step.
    """
    config, boundaries = state.config, sorted(set(stops))
    steps_per_epoch, steps = extent(config, data)
    parameters = sum(parameter.numel() for parameter in state.net.parameters())
    threads = torch.get_num_threads()
    yield Started(state.step, steps, steps_per_epoch, state.device.type, threads, parameters, state.engine)

    factors = factor_at(config.schedule, np.arange(steps), steps).tolist()
    reduced = precision(state.device, config.architecture)
    pace, order_of, order = Pace(state), -1, np.empty(0, np.int64)
    while True:
        epoch, step_in_epoch = divmod(state.step, steps_per_epoch)
        if step_in_epoch == 0 or state.step == steps:
            yield from (told := measure(state, data))
            if isinstance(told[-1], Diverged):
                return
        if state.step == steps:
            return
        losses = _Losses(state, factors)
        boundary = next_boundary(state.step, steps_per_epoch, steps, boundaries)
        state.net.train()
        end = min(steps, (epoch + 1) * steps_per_epoch)
        while state.compiled and state.step < end:  # the loop below in C, many steps in one call
            if order_of != epoch:
                order_of, order = epoch, epoch_order(data, config, epoch)
            rates = [state.config.learning_rate * factor for factor in factors[state.step : boundary]]
            several = state.compiled.steps(
                data.images, data.labels, order, epoch, state.step % steps_per_epoch, rates, NEWS_EVERY
            )
            losses.add(next(several))
            yield from losses.collect()
            if losses.diverged:
                return
            if state.step == boundary:
                if state.step in boundaries:
                    yield Reached(state.step)
                boundary = next_boundary(state.step, steps_per_epoch, steps, boundaries)
            losses.restart_clock()  # what the listener did in between is not training
        if state.step == end:
            continue
        for images, labels in islice(batches(data, config, epoch, step_in_epoch), end - state.step):  # 1. take a batch
            state.optimizer.zero_grad()  # 2. forget the last gradients
            with reduced:
                logits = state.net(images)  # 3. predict: (batch, 10)
                loss = mean_loss(config, logits, labels)  # 4. measure how wrong that is
            loss.backward()  # type: ignore[no-untyped-call]  # 5. find each weight's share in it
            state.learning_rate = state.config.learning_rate * factors[state.step]
            state.optimizer.step()  # 6. change every weight a little
            losses.add(loss)
            if (is_due := losses.are_due) or state.step == boundary:
                yield from losses.collect()
                if losses.diverged:
                    return
                if is_due and pace.is_lost(losses.speed, images, labels):
                    torch.set_num_threads(1)
                    yield Slowed(state.step, 1)
                if state.step == boundary:
                    if state.step in boundaries:
                        yield Reached(state.step)
                    boundary = next_boundary(state.step, steps_per_epoch, steps, boundaries)
                losses.restart_clock()  # what the listener did in between is not training


def next_boundary(step: int, steps_per_epoch: int, steps: int, stops: list[int]) -> int:
    """The first step after `step` at which something must happen: a stop (ascending), the end of the epoch or of the run.

    >>> [next_boundary(step, 100, 250, [1, 130]) for step in (0, 1, 100, 130, 200)]
    [1, 100, 130, 200, 250]
    """
    following = stops[bisect_right(stops, step) :][:1]
    return min(*following, (step // steps_per_epoch + 1) * steps_per_epoch, steps)


def epoch_order(data: TrainingData, config: TrainingConfig, epoch: int) -> npt.NDArray[np.int64]:
    """The images that are trained on, in the order of that epoch (0-based)."""
    indices = dataset.trained_on(len(data.labels), config.validation, config.fold)
    return indices[dataset.epoch_order(len(indices), config.seed, epoch)]


def batches(
    data: TrainingData, config: TrainingConfig, epoch: int, skip: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of one epoch (0-based) after the first `skip`: images (batch, 1, 28, 28) float32, labels (batch,)."""
    indices = epoch_order(data, config, epoch)[skip * config.batch_size :]
    order = torch.from_numpy(indices).to(data.images.device)
    together = max(1, GATHERED // config.batch_size)  # batches
    for number, some in enumerate(torch.split(order, together * config.batch_size)):
        images = data.images[some]
        if augmentation.is_augmented(config):
            change = augmentation.changes(config, len(some), epoch, skip + number * together)
            images = augmentation.augment(images, change)
        inputs = as_input(images, standardise=config.standardise)
        yield from zip(
            torch.split(inputs, config.batch_size), torch.split(data.labels[some], config.batch_size), strict=True
        )


def mean_loss(config: TrainingConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch, in nats: what training makes small. `logits`: (batch, 10), `labels`: (batch,)."""
    if config.loss == "cross-entropy":
        return F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    targets = F.one_hot(labels, 10) * (1 - config.label_smoothing) + config.label_smoothing / 10  # (batch, 10)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)


def image_losses(config: TrainingConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of each image, (N,), whose mean is `mean_loss`."""
    if config.loss == "cross-entropy":
        return F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing, reduction="none")
    targets = F.one_hot(labels, 10) * (1 - config.label_smoothing) + config.label_smoothing / 10  # (N, 10)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)


@dataclass
class _Losses:
    """The losses since the last event. They stay on the device: `.item()` would wait for every single batch."""

    state: TrainingState
    factors: Sequence[float]
    """What the schedule multiplies the learning rate by, for every step of the run."""
    waiting: list[torch.Tensor] = field(default_factory=list)
    began: float = field(default_factory=time.perf_counter)
    speed: float = 0.0
    """Steps per second of what was collected last."""
    diverged: bool = False
    """Whether one of them was not finite."""

    def add(self, loss: torch.Tensor) -> None:
        """The loss of one step, or the losses of several."""
        self.waiting.append(loss.detach().view(-1))
        self.state.step += loss.numel()

    @property
    def are_due(self) -> bool:
        return time.perf_counter() - self.began >= NEWS_EVERY

    def restart_clock(self) -> None:
        self.began = time.perf_counter()

    def collect(self) -> list[Losses | Diverged]:
        """Fetch what is waiting, and count the time that it took."""
        values = torch.cat(self.waiting).cpu().numpy()  # waits for the device
        self.waiting.clear()
        elapsed = time.perf_counter() - self.began
        self.state.seconds += elapsed
        self.speed = len(values) / elapsed
        first = self.state.step - len(values)
        finite = int(np.isfinite(values).cumprod().sum())  # up to the first that is not
        news: list[Losses | Diverged] = []
        if finite:  # the shortest decimals that give the same float32 again
            losses = tuple(float(str(value)) for value in values[:finite])
            news.append(Losses(first, losses, self.state.seconds))
        if finite < len(values):
            rate = self.state.config.learning_rate * self.factors[first + finite]
            news.append(Diverged(first + finite + 1, float(values[finite]), rate))
            self.diverged = True
        return news

"""One training run, as a generator that tells what happens.

    state = TrainingState.new(TrainingConfig(epochs=2))
    for event in train(state, TrainingData.load(state.device)):
        print(event)                              # a worker records it; leaving the loop stops the training

Between two events `state` is consistent: it can be saved, and the run goes on from there to the same result, bit for
bit on the same device with the same engine and number of threads.

There are two engines. PyTorch is the one to read: the loop in `train`. The other one is compiled C that takes the same
steps, many in one call (`compiled/`), where there is one for the machine, the network and the optimizer. On a CUDA GPU PyTorch's
steps are captured once and then launched as one piece (`graphs.py`).

With PyTorch, on a processor that is busy with other programs, threads spend their time waiting for each other: on two cores beside one
other busy program, two threads are ten times slower than one. `train` notices that, and goes on with one (`Slowed`); when the
processor is free again, with all of them.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch

from fmnist_core.data import augmentation, dataset
from fmnist_core.evaluation.evaluate import as_input
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.schedules import factor_at
from fmnist_core.training.devices import card
from fmnist_core.training.events import Diverged, Event, Logits, Losses, Reached, Slowed, Started
from fmnist_core.training.graphs import GraphedSteps
from fmnist_core.training.measuring import measure
from fmnist_core.training.objective import mean_loss
from fmnist_core.training.pace import Pace
from fmnist_core.training.precision import precision
from fmnist_core.training.state import TrainingData, TrainingState, extent

NEWS_EVERY = 0.2
"""Seconds between two `Losses` events: how soon a watcher hears of a step, and how soon a stop is noticed."""

GATHERED = 2048
"""Images that are put into their order and scaled in one go; a batch is a slice of them."""


def train(
    state: TrainingState,
    data: TrainingData,
    stops: Iterable[int] = (),
    between: Callable[[], object] | None = None,
) -> Iterator[Event | Logits | Reached]:
    """Train from where `state` stands to the end of the last epoch; tells of it at least every few tenths of a second.

    Measures before the first step, after each epoch and at the end. Ends early, with `Diverged`, when the loss of a batch or
    of a measurement is not finite.
    `stops`: steps that are `Reached` with everything told before, so that the listener can look at the state, keep it,
    or change it (`TrainingState.change`) at exactly this step. `between`: called while it measures, where nothing is told for
    long; what it raises ends the training.
    """
    config, boundaries = state.config, sorted(set(stops))
    steps_per_epoch, steps = extent(config, data)
    parameters = sum(parameter.numel() for parameter in state.net.parameters())
    threads = torch.get_num_threads()
    name, engine = card(state.device), state.engine
    yield Started(
        state.step, steps, steps_per_epoch, state.device.type, threads, parameters, engine, name, state.library
    )

    factors = factor_at(config.schedule, np.arange(steps), steps).tolist()
    reduced = precision(state.device, config.architecture)
    graphed = GraphedSteps.find(state, together(config))
    pace, order_of, order = Pace(state), -1, np.empty(0, np.int64)
    boundary = next_boundary(state.step, steps_per_epoch, steps, boundaries)
    losses = _Losses(state, factors)

    def tell() -> Iterator[Event | Reached]:
        """Of everything since the last time, and that a stop is reached."""
        nonlocal boundary
        yield from losses.collect()
        if losses.diverged:
            return
        if state.step == boundary:
            if state.step in boundaries:
                yield Reached(state.step)
            boundary = next_boundary(state.step, steps_per_epoch, steps, boundaries)
        losses.restart_clock()  # what the listener did in between is not training

    def rates(count: int) -> list[float]:
        """Of the next steps."""
        return [state.config.learning_rate * factor for factor in factors[state.step : state.step + count]]

    while True:
        epoch, step_in_epoch = divmod(state.step, steps_per_epoch)
        if step_in_epoch == 0 or state.step == steps:
            yield from (told := measure(state, data, between))
            if isinstance(told[-1], Diverged):
                return
        if state.step == steps:
            return
        losses.restart_clock()
        state.net.train()
        end = min(steps, (epoch + 1) * steps_per_epoch)
        while state.compiled and state.step < end:  # the steps below in C, many in one call
            if order_of != epoch:
                order_of, order = epoch, epoch_order(data, config, epoch)
            first, some = state.step % steps_per_epoch, rates(boundary - state.step)
            losses.add(next(state.compiled.steps(data.images, data.labels, order, epoch, first, some, NEWS_EVERY)))
            yield from tell()
            if losses.diverged:
                return
        if state.step == end:
            continue
        for inputs, labels_of_inputs in chunks(data, config, epoch, step_in_epoch):
            if graphed:  # the steps below on a GPU, each in one launch; but for a last, smaller batch
                graphed.load(inputs, labels_of_inputs)
            while graphed and graphed.left and state.step < end:
                losses.add(graphed.take(rates(min(graphed.left, boundary - state.step))))
                if losses.are_due or state.step == boundary:
                    yield from tell()
                    if losses.diverged:
                        return
            left = islice(split(config, inputs, labels_of_inputs), graphed.taken if graphed else 0, None)
            for images, labels in islice(left, end - state.step):  # 1. take a batch
                state.optimizer.zero_grad()  # 2. forget the last gradients
                with reduced:
                    logits = state.net(images)  # 3. predict: (batch, 10)
                    loss = mean_loss(config, logits, labels)  # 4. measure how wrong that is
                loss.backward()  # type: ignore[no-untyped-call]  # 5. find each weight's share in it
                state.learning_rate = rates(1)[0]
                state.optimizer.step()  # 6. change every weight a little
                losses.add(loss)
                if (is_due := losses.are_due) or state.step == boundary:
                    yield from tell()
                    if losses.diverged:
                        return
                    if is_due and pace.is_lost(losses.speed, images, labels):
                        torch.set_num_threads(1)
                        yield Slowed(state.step, 1)
                    elif is_due and pace.is_regained(losses.speed, images, labels):
                        torch.set_num_threads(pace.all)
                        yield Slowed(state.step, pace.all)
            if state.step == end:
                break


def next_boundary(step: int, steps_per_epoch: int, steps: int, stops: list[int]) -> int:
    """The first step after `step` at which something must happen: a stop (ascending), the end of the epoch or of the run.

    >>> [next_boundary(step, 100, 250, [1, 130]) for step in (0, 1, 100, 130, 200)]
    [1, 100, 130, 200, 250]
    """
    following = stops[bisect_right(stops, step) :][:1]
    return min(*following, (step // steps_per_epoch + 1) * steps_per_epoch, steps)


def epoch_order(data: TrainingData, config: TrainingConfig, epoch: int) -> npt.NDArray[np.int64]:
    """The images that are trained on, in the order of that epoch (0-based)."""
    return dataset.epoch_order(len(data.labels), config.seed, epoch, config.validation, config.fold)


def batches(
    data: TrainingData, config: TrainingConfig, epoch: int, skip: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of one epoch (0-based) after the first `skip`: images (batch, 1, 28, 28) float32, labels (batch,)."""
    for inputs, labels in chunks(data, config, epoch, skip):
        yield from split(config, inputs, labels)


def together(config: TrainingConfig) -> int:
    """Images of the batches that are put into their order in one go."""
    return max(1, GATHERED // config.batch_size) * config.batch_size


def chunks(
    data: TrainingData, config: TrainingConfig, epoch: int, skip: int = 0
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """As `batches`, many in one piece: images (n, 1, 28, 28) float32, labels (n,)."""
    indices = epoch_order(data, config, epoch)[skip * config.batch_size :]
    order, size = torch.from_numpy(indices).to(data.images.device), together(config)
    for number, some in enumerate(torch.split(order, size)):
        images = data.images[some]
        if augmentation.is_augmented(config):
            change = augmentation.changes(config, len(some), epoch, skip + number * size // config.batch_size)
            images = augmentation.augment(images, change)
        yield as_input(images, standardise=config.standardise), data.labels[some]


def split(
    config: TrainingConfig, images: torch.Tensor, labels: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batch by batch."""
    return zip(torch.split(images, config.batch_size), torch.split(labels, config.batch_size), strict=True)


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

"""Training steps on a GPU as one launch each: a CUDA graph.

With small batches a GPU waits for Python: the tutorial's step launches some fifty kernels, each of which takes longer to launch than
to run. A graph records them once and launches them together. What changes from step to step lies in fixed
places on the device, which the recorded kernels read: the images of some hundred steps, the learning rates, and a counter.

Graves et al. (PyTorch), 2021, "Accelerating PyTorch with CUDA Graphs". Written without a GPU: what a graph does to the numbers is
tested on the CPU, where "replaying" is running the recorded function again (tests/training/test_graphs.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch

from fmnist_core.training.objective import mean_loss
from fmnist_core.training.optimizers import Muon
from fmnist_core.training.precision import precision
from fmnist_core.training.state import TrainingState

log = logging.getLogger(__name__)

Replay = Callable[[], object]
Capture = Callable[[Callable[[], None]], Replay]

CAPTURED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, Muon)
WARM_UP = 3
"""Steps before the capture, as CUDA's libraries need them; nothing of them stays."""


def is_wanted() -> bool:
    """Whether FMNIST_GRAPHS leaves them switched on, as they are by default."""
    return os.environ.get("FMNIST_GRAPHS", "1") != "0"


def covers(state: TrainingState) -> bool:
    """Whether the steps of this run can be captured: those with an optimizer of ours on a CUDA GPU, which all count their steps there."""
    return state.device.type == "cuda" and isinstance(state.optimizer, CAPTURED)


def capture(step: Callable[[], None]) -> Replay:
    """Record what `step` launches; calling the result launches it again. Dropout's generator moves on with each replay."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


@dataclass
class GraphedSteps:
    """Takes steps of full batches; the last, smaller batch of an epoch is not for it."""

    state: TrainingState
    images: torch.Tensor
    """(room, 1, 28, 28) float32: what the network sees, in the order of the steps."""
    labels: torch.Tensor
    """(room,) int64."""
    capture: Capture = capture
    replay: Replay | None = None
    momentum: float | None = None
    """What is recorded with the steps: another one takes another capture."""
    filled: int = 0
    """Full batches that `images` holds."""
    taken: int = 0
    """Of these."""
    rates: torch.Tensor = field(init=False)
    """(batches,): the learning rates of the steps to come; `rate` is that of the step, `losses` theirs."""
    losses: torch.Tensor = field(init=False)
    rate: torch.Tensor = field(init=False)
    number: torch.Tensor = field(init=False)
    """(1,) int64: which of them comes next; `places` are its images."""
    places: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        device, size = self.images.device, self.state.config.batch_size
        self.rates, self.losses = torch.zeros(2, len(self.images) // size, device=device).unbind()
        self.rate, self.number = torch.zeros((), device=device), torch.zeros(1, dtype=torch.int64, device=device)
        self.places = torch.arange(size, device=device)

    @classmethod
    def find(cls, state: TrainingState, room: int) -> GraphedSteps | None:
        """For batches of `room` images together; None where a run's steps cannot be captured."""
        if not is_wanted() or not covers(state):
            return None
        images = torch.zeros(room, 1, 28, 28, device=state.device)
        return cls(state, images, torch.zeros(room, dtype=torch.int64, device=state.device))

    def load(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """The next batches, (n, 1, 28, 28) float32 and (n,): the first of them comes next."""
        self.images[: len(images)].copy_(images)
        self.labels[: len(labels)].copy_(labels)
        self.filled, self.taken = len(labels) // self.state.config.batch_size, 0

    @property
    def left(self) -> int:
        """Full batches that are loaded and not taken."""
        return self.filled - self.taken

    def take(self, rates: Sequence[float]) -> torch.Tensor:
        """One step for each of the learning rates; their losses, on the device."""
        momentum = self.state.optimizer.param_groups[0].get("momentum")
        if self.replay is None or momentum != self.momentum:
            self.replay, self.momentum = self._captured(), momentum
        first = self.taken
        self._go_to(first)
        self.rates[first : first + len(rates)].copy_(torch.tensor(rates))
        for _step in rates:
            self.replay()
        self.taken += len(rates)
        self.state.learning_rate = rates[-1]  # as PyTorch's loop leaves it
        return self.losses[first : self.taken].clone()

    def _go_to(self, number: int) -> None:
        size = self.state.config.batch_size
        self.number.fill_(number)
        torch.arange(number * size, (number + 1) * size, out=self.places)

    def _step(self) -> None:
        """What is recorded. Everything that it reads stays where it is."""
        state, size = self.state, self.state.config.batch_size
        self.rate.copy_(self.rates.index_select(0, self.number).squeeze(0))
        state.optimizer.zero_grad(set_to_none=True)
        with precision(state.device, state.config.architecture):
            logits = state.net(self.images.index_select(0, self.places))
            loss = mean_loss(state.config, logits, self.labels.index_select(0, self.places))
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        self.losses.index_copy_(0, self.number, loss.detach().float().view(1))
        self.number.add_(1)
        self.places.add_(size)

    def _captured(self) -> Replay:
        """Warm up on another stream, undo that, and record."""
        with self._recordable(), _undone(self.state):
            self._go_to(0)
            if self.state.device.type == "cuda":
                stream = torch.cuda.Stream(self.state.device)  # type: ignore[no-untyped-call]
                stream.wait_stream(torch.cuda.current_stream(self.state.device))
                with torch.cuda.stream(stream):
                    self._warm_up()
                torch.cuda.current_stream(self.state.device).wait_stream(stream)
            else:
                self._warm_up()
        with self._recordable():
            return self.capture(self._step)

    def _warm_up(self) -> None:
        for _step in range(WARM_UP):
            self._go_to(0)
            self._step()

    @contextmanager
    def _recordable(self) -> Iterator[None]:
        """The optimizer reads the learning rate from the device, and may be captured."""
        groups = self.state.optimizer.param_groups
        before: list[dict[str, object]] = [
            {key: value for key, value in group.items() if key in ("lr", "capturable")} for group in groups
        ]
        try:
            for group, of_group in zip(groups, before, strict=True):
                group.update(dict.fromkeys(of_group, True) | {"lr": self.rate})
            yield
        finally:
            for group, of_group in zip(groups, before, strict=True):
                group.update(of_group)


@contextmanager
def _undone(state: TrainingState) -> Iterator[None]:
    """Weights, the optimizer's memory and the generators are afterwards what they were; where there was no memory, zeros.

    Zeros are what the first step would begin with: a momentum of zero times anything adds nothing.
    """
    weights = {name: tensor.clone() for name, tensor in state.net.state_dict().items()}
    memory = {
        (parameter, key): value.clone()
        for parameter, of_parameter in state.optimizer.state.items()
        for key, value in of_parameter.items()
        if isinstance(value, torch.Tensor)
    }
    devices = [state.device] if state.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield
    with torch.no_grad():
        for name, tensor in state.net.state_dict().items():
            tensor.copy_(weights[name])
        for parameter, of_parameter in state.optimizer.state.items():
            for key, value in of_parameter.items():
                if isinstance(value, torch.Tensor):
                    kept = memory.get((parameter, key))
                    value.copy_(kept) if kept is not None else value.zero_()
    state.optimizer.zero_grad(set_to_none=True)

"""What training tells, as it happens. No torch: the pages read these from disk.

A step is one weight update. Steps count from 1 over the whole run; step 0 is the network before training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.evaluation.score import Score

Engine = Literal["torch", "compiled"]
"""What takes the training steps: PyTorch, or the same arithmetic as compiled C (`fmnist_core/training/compiled/`)."""


@dataclass(frozen=True)
class Started:
    """The network is built and training begins, or goes on, after `step` steps."""

    step: int
    steps: int
    """Steps of the whole run."""
    steps_per_epoch: int
    device: str
    threads: int
    """CPU threads that the arithmetic may use."""
    parameters: int
    """Weights and biases of the network."""
    engine: Engine = "torch"
    card: str = ""
    """The GPU's name and memory, such as "NVIDIA H100 80GB HBM3, 79 GB"; empty on a CPU."""
    library: str = ""
    """Which compiled C (`library.fingerprint`); empty with PyTorch, and in runs from before this was recorded."""


@dataclass(frozen=True)
class Losses:
    """The losses of the steps `step + 1` to `step + len(losses)`; two or more of these events come each second."""

    step: int
    losses: tuple[float, ...]
    """Mean cross-entropy of each batch, in training mode (with dropout): exact float32 values."""
    seconds: float
    """Training time up to the last of these steps, without pauses and measurements."""

    def without(self, known: int) -> Losses:
        """Without the first `known` steps."""
        return replace(self, step=self.step + known, losses=self.losses[known:])


@dataclass(frozen=True)
class Measured:
    """The network in evaluation mode, before training (epoch 0), after an epoch, or where it was stopped."""

    step: int
    epoch: float
    """Epochs done: a whole number, unless the run was stopped within an epoch."""
    seconds: float
    """Training time so far."""
    test: Score | None
    """On the 10,000 test images; None where they may not be looked at yet (`runs/sealed.py`)."""
    train: Score
    """On the first 10,000 of the images that are trained on: as many as the test has, measured in the same way."""
    validation: Score | None = None
    """On the training images that are held out, where there are any."""

    @property
    def shown(self) -> Score | None:
        """What may be shown: the score on the test images, or else on the held-out ones."""
        return self.test or self.validation


@dataclass(frozen=True, eq=False)
class Logits:
    """What the measurement that is told next was counted from: for files beside the events, never recorded itself."""

    step: int
    test: npt.NDArray[np.float32]
    """(10,000, 10) float32 on the test images, in the data set's order."""
    validation: npt.NDArray[np.float32] | None
    """(validation, 10) float32 on the images of `dataset.held_out`, where there are any."""


@dataclass(frozen=True)
class Diverged:
    """A loss is not a finite number, so there is nothing to go on with."""

    step: int
    loss: float
    """NaN or infinite."""
    learning_rate: float
    """That of the step, as the schedule scaled it."""
    measured: bool = False
    """Whether the loss is that of a measurement after the step; else it is that of the step's own batch."""


@dataclass(frozen=True)
class Slowed:
    """The processor is so busy with other programs that threads waited for each other: from here on, fewer compute.

    Or as many as before, where it is free again.
    """

    step: int
    threads: int


@dataclass(frozen=True)
class CopyLosses:
    """In a race: the losses of the steps `step + 1` to `step + len(losses)`, of every copy."""

    step: int
    losses: tuple[tuple[float | None, ...], ...]
    """(steps, copies): mean cross-entropy of each copy's batch; None from the step on at which a copy diverged."""
    seconds: float
    """Training time up to the last of these steps."""

    def without(self, known: int) -> CopyLosses:
        """Without the first `known` steps."""
        return replace(self, step=self.step + known, losses=self.losses[known:])


@dataclass(frozen=True)
class CopiesMeasured:
    """In a race: every copy in evaluation mode."""

    step: int
    epoch: float
    seconds: float
    accuracy: tuple[float | None, ...]
    """(copies,): share of the held-out training images that are right; None for a copy that has diverged."""


@dataclass(frozen=True)
class Changed:
    """Somebody changed the settings after `step` steps: from the next step on, these hold.

    Where a schedule changes the learning rate over the run, this is the new rate that it scales.
    """

    step: int
    learning_rate: float
    momentum: float
    request: str = ""
    """Name of the request that this fulfils; empty where a branch repeats what its parent did."""


@dataclass(frozen=True)
class Reached:
    """Training has done `step` steps and told of all of them; never recorded."""

    step: int


Event = Started | Losses | Measured | Diverged | Slowed | CopyLosses | CopiesMeasured

"""Which steps of a run are kept, and the keeping of them while it trains.

A run keeps weights at about a hundred steps: copying `Net`'s takes 0.1 ms, and they are written many at a time. Predictions
on 10,000 images would take 0.1 s for each: some find a place while it trains (`meanwhile.py`), the others when that is over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from fmnist_core.runs import environment
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.snapshots import Weights, spread

EPOCHS_KEPT = 20
"""Ends of epochs at which weights are kept beside the logarithmic steps, and checkpoints to branch from."""
FILM_MOST = 256 << 20
"""Bytes of weights that a run may keep until its predictions are computed."""
WEIGHTS_MOST, CHECKPOINTS_MOST = 20 << 20, 20 << 20
"""Bytes of weights and of checkpoints to branch from that stay."""
WAITING_MOST = 8 << 20
"""Bytes of weights that wait in memory to be written."""


def snapshots_wanted() -> int:
    """Snapshots per run: `$FMNIST_SNAPSHOTS`, else 100; 0 keeps no weights at all. Raises ValueError."""
    wanted = environment.snapshots()
    return 100 if wanted is None else wanted


def film_steps(first: int, steps: int, steps_per_epoch: int, size: int) -> list[int]:
    """The steps after which weights of `size` bytes are kept, ascending: the first and the last always.

    >>> film_steps(0, 60_000, 3_000, 110_000)[:12], len(film_steps(0, 60_000, 3_000, 110_000))
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12], 99)
    """
    if not (most := min(snapshots_wanted(), FILM_MOST // max(1, size))):
        return []
    ends = epoch_ends(first, steps, steps_per_epoch, min(EPOCHS_KEPT, most // 5))
    return sorted({*ends, *spread(first, steps, max(2, most - len(ends)))})


def branch_steps(first: int, steps: int, steps_per_epoch: int, size: int) -> list[int]:
    """The steps whose checkpoints of `size` bytes stay to branch from: the first, ends of epochs, the last."""
    most = min(EPOCHS_KEPT, max(3, CHECKPOINTS_MOST // max(1, size)))
    return sorted({first, steps, *epoch_ends(first, steps, steps_per_epoch, most - 1)})


def epoch_ends(first: int, steps: int, steps_per_epoch: int, count: int) -> list[int]:
    """At most `count` ends of epochs after `first`, evenly spread, the last among them."""
    ends = [*range((first // steps_per_epoch + 1) * steps_per_epoch, steps, steps_per_epoch), steps]
    if len(ends) <= count:
        return ends
    return sorted({ends[round(n)] for n in np.linspace(0, len(ends) - 1, count)}) if count else []


@dataclass
class Film:
    """Keeps weights at certain steps."""

    folder: RunFolder
    steps: frozenset[int]
    is_looked_at: bool = False
    """Whether somebody computes predictions while it trains: then what was written stays at hand until the next checkpoint."""
    waiting: dict[int, Weights] = field(default_factory=dict)
    written: dict[int, Weights] = field(default_factory=dict)
    spent: float = 0.0
    """Seconds that keeping has taken."""

    def take(self, step: int, net: nn.Module) -> None:
        """Keep the weights, if this is one of the steps; they are written later."""
        if step not in self.steps or step in self.waiting:
            return
        began = time.perf_counter()
        weights = {name: tensor.detach().cpu().numpy().copy() for name, tensor in net.state_dict().items()}
        self.waiting[step] = weights
        self.spent += time.perf_counter() - began
        if len(self.waiting) * sum(array.nbytes for array in weights.values()) > WAITING_MOST:
            self.write()

    def write(self) -> None:
        """Write what waits: before each checkpoint, because steps before it are not trained again."""
        began = time.perf_counter()
        self.folder.write_weights(self.waiting)
        if self.is_looked_at:
            self.written |= self.waiting
        self.waiting = {}
        self.spent += time.perf_counter() - began

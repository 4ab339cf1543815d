"""On a processor that is busy with other programs, threads wait for each other: when one alone would be quicker."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from fmnist_core.training.precision import precision

if TYPE_CHECKING:
    from fmnist_core.training.state import TrainingState


class Pace:
    """Whether the threads of the processor get in each other's way."""

    PATIENCE = 25
    """Times in a row (five seconds or more) that it must have been so: opening a page beside it changes nothing."""
    TRIAL = 4
    """Steps that are tried with one thread, on a copy of the network."""

    def __init__(self, state: TrainingState) -> None:
        self.state, self.best, self.slow = state, 0.0, 0

    def is_lost(self, speed: float, images: torch.Tensor, labels: torch.Tensor) -> bool:
        """Whether one thread would be more than twice as quick as the `speed` (steps/s) that all of them reach of late.

        Tried at the start, and when the speed has fallen to less than half of the best. Changes nothing but time.
        """
        threads = torch.get_num_threads()
        is_slow = self.best == 0 or self.slow > 0 or speed < self.best / 2
        self.best = max(self.best, speed)
        if self.state.device.type != "cpu" or threads == 1 or not is_slow:
            self.slow = 0
            return False
        net = copy.deepcopy(self.state.net)
        with torch.random.fork_rng(devices=[]):  # dropout goes on as if nothing had been tried
            torch.set_num_threads(1)
            began = time.perf_counter()
            for _step in range(self.TRIAL):
                with precision(self.state.device, self.state.config.architecture):
                    loss = F.cross_entropy(net(images), labels)
                loss.backward()  # type: ignore[no-untyped-call]
            alone = self.TRIAL / (time.perf_counter() - began)
            torch.set_num_threads(threads)
        self.slow = self.slow + 1 if alone > 2 * speed else 0
        return self.slow >= self.PATIENCE

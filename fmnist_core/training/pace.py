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
    """Steps that are tried with one thread, or with all of them again, on a copy of the network."""
    RETRIED_AFTER = 30.0
    """Seconds of training on one thread, after which all of them are tried again, and again."""
    REGAINED = 3
    """Times in a row that all of them must have been a quarter quicker than one."""

    def __init__(self, state: TrainingState) -> None:
        self.state, self.best, self.slow = state, 0.0, 0
        self.all = torch.get_num_threads()
        self.retry_at, self.regained = 0.0, 0

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
        alone = self._tried(1, images, labels)
        self.slow = self.slow + 1 if alone > 2 * speed else 0
        if self.slow < self.PATIENCE:
            return False
        self.best, self.slow, self.retry_at = 0.0, 0, self.state.seconds + self.RETRIED_AFTER
        return True

    def is_regained(self, speed: float, images: torch.Tensor, labels: torch.Tensor) -> bool:
        """Whether the processor has its threads for itself again: all would be quicker than the one with its `speed`."""
        if not self.retry_at or self.state.seconds < self.retry_at:
            return False
        together = self._tried(self.all, images, labels)
        self.regained = self.regained + 1 if together > 1.25 * speed else 0
        if self.regained == 0:
            self.retry_at = self.state.seconds + self.RETRIED_AFTER
        if self.regained < self.REGAINED:
            return False
        self.retry_at, self.regained = 0.0, 0
        return True

    def _tried(self, threads: int, images: torch.Tensor, labels: torch.Tensor) -> float:
        """Steps per second with so many threads. Changes nothing: dropout goes on as if nothing had been tried."""
        net, before = copy.deepcopy(self.state.net), torch.get_num_threads()
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(threads)
            began = time.perf_counter()
            for _step in range(self.TRIAL):
                with precision(self.state.device, self.state.config.architecture):
                    loss = F.cross_entropy(net(images), labels)
                loss.backward()  # type: ignore[no-untyped-call]
            elapsed = time.perf_counter() - began
            torch.set_num_threads(before)
        return self.TRIAL / elapsed

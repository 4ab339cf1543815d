"""The steps of one run, taken by the compiled engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fmnist_core.data import augmentation
from fmnist_core.evaluation.evaluate import as_input
from fmnist_core.networks.net import Net
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import engine
from fmnist_core.training.compiled.engine import Engine

FIRST = 2_000
"""Images of the first call, which finds out how many fit into the time between two events."""


@dataclass
class CompiledSteps:
    """Changes the weights of `net` and the momentum of `optimizer`, as PyTorch's loop would."""

    engine: Engine
    config: TrainingConfig
    net: Net
    optimizer: torch.optim.SGD
    levels: torch.Tensor
    """(256,) float32: what the network sees for each grey level."""
    speed: float = 0.0
    """Steps per second of late."""

    @classmethod
    def find(
        cls, config: TrainingConfig, net: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device
    ) -> CompiledSteps | None:
        """None where there is no compiled engine for this network, optimizer, loss and device. Never compiles."""
        if not engine.covers(net, optimizer, device) or config.loss != "cross-entropy" or not (found := engine.find()):
            return None
        assert isinstance(net, Net)
        assert isinstance(optimizer, torch.optim.SGD)
        levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16)
        return cls(found, config, net, optimizer, as_input(levels, standardise=config.standardise).flatten())

    def steps(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        order: npt.NDArray[np.int64],
        epoch: int,
        first: int,
        learning_rates: Sequence[float],
        seconds: float,
    ) -> Iterator[torch.Tensor]:
        """Losses (float32), as many at once as take about `seconds`: one step for each of `learning_rates`.

        `order`: the indices of the whole epoch (0-based); `first`: steps of it that are done.
        """
        done, size = 0, self.config.batch_size
        while done < len(learning_rates):
            wanted = self.speed * seconds if self.speed else FIRST / size
            count = min(max(1, round(wanted)), len(learning_rates) - done)
            began = time.perf_counter()
            some = order[(first + done) * size : (first + done + count) * size]
            pictures, truth = images, labels
            if augmentation.is_augmented(self.config):
                change = augmentation.changes(self.config, len(some), epoch, first + done)
                indices = torch.from_numpy(some)
                pictures, truth = augmentation.augment(images[indices], change), labels[indices]
                some = np.arange(len(some))
            losses = self.engine.take_steps(
                self.net,
                self.optimizer,
                pictures,
                truth,
                some,
                batch_size=size,
                levels=self.levels,
                learning_rates=learning_rates[done : done + count],
                label_smoothing=self.config.label_smoothing,
            )
            self.optimizer.param_groups[0]["lr"] = learning_rates[done + count - 1]  # as PyTorch's loop leaves it
            self.speed = count / (time.perf_counter() - began)
            done += count
            yield torch.from_numpy(losses)

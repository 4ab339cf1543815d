"""What a run in memory is: the images on the device, and everything that its next step depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from fmnist_core.data import dataset
from fmnist_core.networks.architectures import build
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import engine
from fmnist_core.training.compiled.library import fingerprint
from fmnist_core.training.compiled.steps import CompiledSteps
from fmnist_core.training.devices import find_device
from fmnist_core.training.events import Engine
from fmnist_core.training.optimizers import make_optimizer


@dataclass(frozen=True)
class TrainingData:
    """Images on the device that computes, so that no picture is decoded or copied once per epoch."""

    images: torch.Tensor
    """(N, 28, 28) uint8: 60,000 training images."""
    labels: torch.Tensor
    """(N,) int64."""
    test_images: torch.Tensor
    """(M, 28, 28) uint8: 10,000 test images."""
    test_labels: torch.Tensor
    """(M,) int64."""

    @classmethod
    def load(cls, device: torch.device) -> TrainingData:
        """Raises DatasetError when the data set is not there or not right."""
        splits = dataset.load("train"), dataset.load("test")
        tensors = [t for s in splits for t in (torch.tensor(s.images), torch.tensor(s.labels).long())]
        return cls(*(tensor.to(device) for tensor in tensors))


@dataclass
class TrainingState:
    """Where a run stands: everything that its next step depends on."""

    config: TrainingConfig
    """As it is now: see `change`."""
    device: torch.device
    net: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    """Weight updates so far."""
    seconds: float = 0.0
    """Training time so far, without pauses and measurements."""
    compiled: CompiledSteps | None = None
    """What takes the steps; None: PyTorch. The results differ in rounding, so a run stays with what it began with."""
    predicts_in_c: bool = False
    """Whether measurements come from C, too: of runs that PyTorch trains, with another optimizer, as well."""

    @classmethod
    def new(cls, config: TrainingConfig) -> TrainingState:
        """Fresh weights. Seeds torch's generators, which dropout goes on using: one run per process at a time.

        Numbers below float32's normal range become zero from here on: the momentum of weights that get no gradient any more
        decays into it, and stays. With one in ten of them an Intel processor took fourteen times as long for a step of Muon.
        Raises ValueError when the device is not there.
        """
        torch.set_flush_denormal(True)  # of this thread, and of those that it starts
        device = find_device(config.device)
        torch.manual_seed(config.seed)
        torch.backends.cudnn.deterministic = True  # same seed, same losses, on a GPU too
        net = build(config).to(device).to(memory_format=torch.channels_last)
        optimizer = make_optimizer(config, net, device)
        compiled = CompiledSteps.find(config, net, optimizer, device)
        return cls(config, device, net, optimizer, compiled=compiled, predicts_in_c=engine.predicts(net, device))

    @property
    def engine(self) -> Engine:
        """What takes the steps."""
        return "compiled" if self.compiled else "torch"

    @property
    def library(self) -> str:
        """Which C takes the steps; empty where PyTorch does."""
        return fingerprint() if self.compiled else ""

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        rate: float = self.optimizer.param_groups[0]["lr"]
        return rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def leave_compiled(self) -> None:
        """Go on as a run that began with nothing compiled: PyTorch trains and measures."""
        self.compiled, self.predicts_in_c = None, False

    def change(self, learning_rate: float, momentum: float) -> None:
        """Go on with these from the next step on; a schedule then scales the new rate.

        Raises ValueError for a value out of its range.
        """
        self.config = replace(self.config, learning_rate=learning_rate, momentum=momentum)
        for group in self.optimizer.param_groups:
            if "momentum" in group:
                group["momentum"] = momentum

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights, optimizer state and generator states, by name, on the CPU: what a checkpoint holds."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        for name, parameter in self.net.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{name}.{key}"] = value
        tensors["generator.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state(self.device)
        elif self.device.type == "mps":
            tensors["generator.mps"] = torch.mps.get_rng_state()
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    @classmethod
    def restore(
        cls, config: TrainingConfig, tensors: Mapping[str, torch.Tensor], step: int, seconds: float
    ) -> TrainingState:
        """The state that `tensors` was taken from. Raises KeyError or RuntimeError where they do not fit `config`."""
        state = cls.new(config)
        weights = {name: tensors[f"net.{name}"] for name in state.net.state_dict()}
        state.net.load_state_dict(weights)
        for name, parameter in state.net.named_parameters():
            prefix = f"optimizer.{name}."
            for key in (key for key in tensors if key.startswith(prefix)):
                value = tensors[key]
                if value.shape == parameter.shape:  # in the parameter's memory layout, which fused updates rely on
                    value = torch.empty_like(parameter, requires_grad=False).copy_(value)
                else:
                    value = value.to(parameter.device)
                state.optimizer.state[parameter][key.removeprefix(prefix)] = value
        torch.set_rng_state(tensors["generator.cpu"])
        if "generator.cuda" in tensors and state.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], state.device)
        elif "generator.mps" in tensors and state.device.type == "mps":
            torch.mps.set_rng_state(tensors["generator.mps"])
        state.step, state.seconds = step, seconds
        return state

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(parameter.isfinite().all()) for parameter in self.net.parameters())


def extent(config: TrainingConfig, data: TrainingData) -> tuple[int, int]:
    """Steps in an epoch, and steps of the whole run, on these images."""
    steps_per_epoch = -(-(len(data.labels) - config.validation) // config.batch_size)
    return steps_per_epoch, config.limited(config.epochs * steps_per_epoch)

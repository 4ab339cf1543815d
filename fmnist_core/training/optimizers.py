"""What changes the weights: torch's own optimizers, and Muon.

Muon is momentum whose update is made orthogonal, so that it moves a layer equally in all directions. Jordan et al.,
2024, "Muon: An optimizer for hidden layers in neural networks", https://kellerjordan.github.io/posts/muon/; the size of
the update as in Liu et al., 2025, "Muon is Scalable for LLM Training", eq. 4, so that one learning rate fits both kinds
of parameters. `torch.optim.Muon` computes the same for matrices, but takes no kernels of convolutions and rounds to
bfloat16, which most CPUs emulate slowly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from fmnist_core.settings.config import TrainingConfig

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a·x + b·x³ + c·x⁵ that drives every singular value into 0.7 to 1.2 (Jordan et al.)."""
ITERATIONS = 5
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Of Adam."""


def make_optimizer(config: TrainingConfig, net: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """What changes the weights of `net`, which are on `device`, as `config` says."""
    parameters, rate, decay = list(net.parameters()), config.learning_rate, config.weight_decay
    fused = device.type in ("cpu", "cuda")  # one call for all parameters
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, rate, config.momentum, weight_decay=decay, fused=fused)
        case "nesterov":
            return torch.optim.SGD(parameters, rate, config.momentum, weight_decay=decay, nesterov=True, fused=fused)
        case "adam" if decay == 0:
            return torch.optim.Adam(parameters, rate, fused=fused)
        case "adam":
            return torch.optim.AdamW(parameters, rate, weight_decay=decay, fused=fused)
        case "muon":
            *hidden, last = (parameter for parameter in parameters if parameter.dim() > 1)
            others = [parameter for parameter in parameters if parameter.dim() == 1]
            return Muon(hidden, [*others, last], rate, config.momentum, decay)


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov's momentum for `hidden` (two dimensions or more), AdamW for `others` (biases, scales, last layer)."""

    def __init__(
        self,
        hidden: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        learning_rate: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        groups = [{"params": list(hidden), "orthogonal": True}, {"params": list(others), "orthogonal": False}]
        defaults = {"lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([group for group in groups if group["params"]], defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change every parameter that has a gradient. A learning rate that is a tensor is read on the device: so a CUDA graph can record it."""
        for group in self.param_groups:
            change, rate = (self._muon if group["orthogonal"] else self._adam), group["lr"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - rate * group["weight_decay"])
                    update = change(parameter, parameter.grad, group["momentum"])
                    if isinstance(rate, torch.Tensor):
                        parameter.addcmul_(update, rate, value=-1)
                    else:
                        parameter.add_(update, alpha=-rate)

    def _muon(self, parameter: nn.Parameter, gradient: torch.Tensor, momentum: float) -> torch.Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        average: torch.Tensor = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        update = gradient.lerp(average, momentum).flatten(1)  # (filters, channels * height * width)
        return orthogonal(update).mul_(0.2 * math.sqrt(max(update.shape))).view(parameter.shape)

    def _adam(self, parameter: nn.Parameter, gradient: torch.Tensor, _momentum: float) -> torch.Tensor:
        state, (beta1, beta2) = self.state[parameter], BETAS
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        mean, square = state["exp_avg"].lerp_(gradient, 1 - beta1), state["exp_avg_sq"]
        square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        counted = state["step"]  # on the device: no waiting for a GPU, and a CUDA graph can record it
        steps = float(counted) if counted.device.type == "mps" else counted.double()  # which has no float64
        root = (square / (1 - beta2**steps)).sqrt_().add_(EPSILON)
        update: torch.Tensor = mean / root / (1 - beta1**steps)
        return update


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The same matrix, (M, N), with all its singular values near 1, by Newton and Schulz's iteration.

    >>> values = torch.linalg.svdvals(orthogonal(torch.randn(8, 20)))
    >>> bool((values > 0.6).all() and (values < 1.3).all())
    True
    """
    a, b, c = COEFFICIENTS
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _iteration in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if matrix.shape[0] > matrix.shape[1] else x

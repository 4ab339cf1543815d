"""The other networks: simpler than the tutorial's `Net`, to see what each part of it is good for, and better ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from fmnist_core.networks import net as network
from fmnist_core.networks.net import QuickNet
from fmnist_core.settings.config import Architecture, TrainingConfig


class Linear(nn.Module):
    """Each class weighs all 784 pixels: 7,850 weights and biases, no hidden layer.

    With cross-entropy this is softmax regression, with the loss "one-vs-rest" it is ten logistic regressions.

    >>> Linear()(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 10])
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(28 * 28, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28)
        """Logits, (N, 10)."""
        logits: torch.Tensor = self.fc(x.flatten(1))  # (N, 784) -> (N, 10)
        return logits


class Perceptron(nn.Module):
    """Two linear layers with a ReLU between them: it knows nothing of rows and columns.

    >>> sum(parameter.numel() for parameter in Perceptron(100).parameters())
    79510
    """

    def __init__(self, hidden_units: int = 100, dropout: float = 0.0) -> None:
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, hidden_units)
        self.fc1_drop = nn.Dropout(p=dropout)
        self.fc2 = nn.Linear(hidden_units, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28)
        """Logits, (N, 10)."""
        x = F.relu(self.fc1(x.flatten(1)))  # (N, hidden_units)
        logits: torch.Tensor = self.fc2(self.fc1_drop(x))  # (N, 10)
        return logits


class Convolution(nn.Sequential):
    """Convolution, batch normalisation, ReLU; a stride of 2 halves height and width."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False),  # normalisation would take a bias away
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Block(nn.Module):
    """Convolutions with a skip connection around them: they learn what to add (He et al., 2016, "Deep Residual Learning")."""

    def __init__(self, channels: int, convolutions: int = 2) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(*(Convolution(channels, channels) for _ in range(convolutions)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, channels, height, width), as its output
        """`x` and what the convolutions add."""
        added: torch.Tensor = self.convolutions(x)
        return x + added


class Residual(nn.Module):
    """A few stages, each at half the size of the one before it: a convolution with stride 2, then residual blocks.

    >>> Residual((32, 64), (1, 1), 1)(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 10])
    """

    def __init__(self, channels: tuple[int, ...], blocks: tuple[int, ...], convolutions: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs, count in zip((1, *channels), channels, blocks, strict=False):
            kernel = 4 if inputs == 1 else 3  # the first one shares its pixels out evenly
            layers += [
                Convolution(inputs, outputs, kernel, stride=2),
                *(Block(outputs, convolutions) for _ in range(count)),
            ]
        self.stages = nn.Sequential(*layers)
        side = -(-28 // 2 ** len(channels))  # pixels that are left of 28: 14, 7, 4, ...
        self.fc = nn.Linear(channels[-1] * side * side, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28)
        """Logits, (N, 10)."""
        x = self.stages(x)  # (N, channels, 7, 7) after two stages: 28 -> 14 -> 7
        logits: torch.Tensor = self.fc(x.flatten(1))  # (N, 10); flat, because a sleeve's place tells something
        return logits


class WideBlock(nn.Module):
    """Normalise, ReLU, convolve, twice, with a skip connection (Zagoruyko and Komodakis, 2016, "Wide Residual Networks")."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        is_alike = inputs == outputs and stride == 1
        self.around = None if is_alike else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, inputs, height, width)
        """(N, outputs, height / stride, width / stride)."""
        active = F.relu(self.norm1(x))
        added: torch.Tensor = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return added + (x if self.around is None else self.around(active))


class WideResidual(nn.Module):
    """WRN-`depth`-`width` of that paper: 40 and 4 make the 8.9 million parameters of the benchmark table's best entry."""

    def __init__(self, depth: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        inputs = 16
        for outputs, first_stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
            for number in range((depth - 4) // 6):
                blocks.append(WideBlock(inputs, outputs, 1 if number else first_stride))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28)
        """Logits, (N, 10)."""
        x = self.blocks(self.conv(x))  # (N, 64 * width, 7, 7)
        logits: torch.Tensor = self.fc(F.relu(self.norm(x)).mean((2, 3)))  # (N, 10)
        return logits


ARCHITECTURES: dict[Architecture, Callable[[TrainingConfig], nn.Module]] = {
    "net": lambda config: network.build(config, QuickNet),
    "linear": lambda config: Linear(),
    "perceptron": lambda config: Perceptron(config.hidden_units, config.dropout),
    "residual": lambda config: Residual((32, 64), (1, 1), 1),
    "deep": lambda config: Residual((48, 96), (1, 1)),
    "wide": lambda config: WideResidual(40, 4),
}
"""How each network is made from the settings of a run."""


def build(config: TrainingConfig) -> nn.Module:
    """The network that `config` describes, with fresh weights from torch's current random state."""
    return ARCHITECTURES[config.architecture](config)

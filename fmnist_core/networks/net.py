"""The tutorial's network, layer by layer."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from fmnist_core.settings.config import TrainingConfig


class Net(nn.Module):
    """Two convolutions and two linear layers, as in the tutorial: 27,480 weights and biases.

    >>> Net()(torch.zeros(4, 1, 28, 28)).shape
    torch.Size([4, 10])
    >>> sum(parameter.numel() for parameter in Net().parameters())
    27480
    """

    def __init__(
        self, conv1_channels: int = 10, conv2_channels: int = 20, hidden_units: int = 50, dropout: float = 0.4
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, conv1_channels, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(conv1_channels, conv2_channels, 3)
        self.fc1 = nn.Linear(conv2_channels * 5 * 5, hidden_units)
        self.fc1_drop = nn.Dropout(p=dropout)
        self.fc2 = nn.Linear(hidden_units, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28) in [0, 1]
        """Logits, (N, 10): the softmax is part of the loss."""
        x = self.pool(F.relu(self.conv1(x)))  # (N, 10, 13, 13): 28 -> 26, halved
        x = self.pool(F.relu(self.conv2(x)))  # (N, 20, 5, 5): 13 -> 11, halved, 5.5 rounds down
        x = x.flatten(1)  # (N, 500)
        x = F.relu(self.fc1(x))  # (N, 50)
        x = self.fc1_drop(x)
        logits: torch.Tensor = self.fc2(x)  # (N, 10)
        return logits


class QuickNet(Net):
    """`Net`, sooner: what training runs.

    ReLU and max-pooling may change places, because the largest of four numbers stays the largest: same logits, same
    gradients, to the last bit. ReLU then has a quarter of the numbers to do. On two CPU cores an epoch at batch size 256
    takes about two thirds of the time (benchmarks/README.md).

    >>> images, quick = torch.rand(4, 1, 28, 28), QuickNet(dropout=0.0)
    >>> bool((Net.forward(quick, images) == quick(images)).all())
    True
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, 1, 28, 28) in [0, 1]
        """Logits, (N, 10)."""
        x = F.relu(self.pool(self.conv1(x)))  # (N, 10, 13, 13)
        x = F.relu(self.pool(self.conv2(x)))  # (N, 20, 5, 5)
        x = F.relu(self.fc1(x.flatten(1)))  # (N, 50)
        logits: torch.Tensor = self.fc2(self.fc1_drop(x))  # (N, 10)
        return logits


def build(config: TrainingConfig, kind: type[Net] = Net) -> Net:
    """The network that `config` describes, with fresh weights from torch's current random state."""
    return kind(config.conv1_channels, config.conv2_channels, config.hidden_units, config.dropout)

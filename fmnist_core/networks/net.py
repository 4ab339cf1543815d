"""The tutorial's network, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Layer:
    """One step of the way from an image to ten logits."""

    name: str
    kind: str
    """The field's name of the operation: "convolution", "ReLU", "max-pooling", "linear", …"""
    code: str
    """The line of `forward`, or the module, that does it."""
    kernel: str
    """Size of the window, such as "3x3"; empty where there is none."""
    input_shape: tuple[int, ...]
    """Of one image, without the batch: (channels, height, width) or (units,)."""
    output_shape: tuple[int, ...]
    parameters: int
    """Weights and biases that training changes."""
    multiplications: int
    """For one image, biases not counted."""


def describe(net: Net) -> list[Layer]:
    """The layers in the order of `forward`, with shapes as one image passes through.

    >>> [layer.output_shape for layer in describe(Net())][:3]
    [(10, 26, 26), (10, 26, 26), (10, 13, 13)]
    >>> sum(layer.parameters for layer in describe(Net()))
    27480
    """
    layers: list[Layer] = []

    def add(name: str, kind: str, code: str, kernel: str, output: tuple[int, ...], per_output: int = 0) -> None:
        module = getattr(net, name, None)
        parameters = sum(p.numel() for p in module.parameters()) if isinstance(module, nn.Module) else 0
        values = torch.Size(output).numel()
        before = layers[-1].output_shape if layers else (1, 28, 28)
        layers.append(Layer(name, kind, code, kernel, before, output, parameters, values * per_output))

    channels1, channels2, hidden = net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features
    add("conv1", "convolution", repr(net.conv1), "3x3", (channels1, 26, 26), 1 * 3 * 3)
    add("relu1", "ReLU", "F.relu(…)", "", (channels1, 26, 26))
    add("pool", "max-pooling", repr(net.pool), "2x2", (channels1, 13, 13))
    add("conv2", "convolution", repr(net.conv2), "3x3", (channels2, 11, 11), channels1 * 3 * 3)
    add("relu2", "ReLU", "F.relu(…)", "", (channels2, 11, 11))
    add("pool", "max-pooling", repr(net.pool), "2x2", (channels2, 5, 5))
    add("flatten", "flatten", "x.flatten(1)", "", (channels2 * 25,))
    add("fc1", "linear", repr(net.fc1), "", (hidden,), channels2 * 25)
    add("relu3", "ReLU", "F.relu(…)", "", (hidden,))
    add("fc1_drop", "dropout", repr(net.fc1_drop), "", (hidden,))
    add("fc2", "linear", repr(net.fc2), "", (10,), hidden)
    return layers

"""Each architecture as a list of nodes, without torch: what NumPy computes, JavaScript draws and an export writes down."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.settings.config import Architecture, TrainingConfig

Op = Literal["convolution", "normalisation", "relu", "addition", "max-pooling", "average-pooling", "flatten", "linear"]
Weights = Mapping[str, npt.NDArray[np.float32]]
"""Tensors of a network by the names of its `state_dict`, such as "conv1.weight"."""

INPUT = "input"
"""What the first node reads: the picture as the network sees it, (1, 28, 28)."""
INPUT_SHAPE = (1, 28, 28)
EPSILON = 1e-5
"""What batch normalisation adds to the variance, as `torch.nn.BatchNorm2d` does."""
CLASSES = 10

_TENSORS: dict[Op, tuple[str, ...]] = {
    "convolution": ("weight", "bias"),
    "normalisation": ("weight", "bias", "running_mean", "running_var"),
    "linear": ("weight", "bias"),
}


@dataclass(frozen=True)
class Node:
    """One operation of a network in evaluation mode; dropout does nothing there and has no node."""

    name: str
    op: Op
    inputs: tuple[str, ...]
    """Names of the nodes that it reads, or `INPUT`; two for "addition", else one."""
    shape: tuple[int, ...]
    """Of its output for one picture: (channels, height, width) or (units,)."""
    module: str = ""
    """The module that holds its weights: prefix of their names, such as "conv1"; empty where it has none."""
    kernel: int = 0
    """Height and width of the window of "convolution" and "max-pooling"."""
    stride: int = 1
    padding: int = 0
    """Zeros around the input of a convolution, on each side."""
    has_bias: bool = True
    """Whether a convolution adds a bias; a linear layer always does."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that it computes with, such as ("conv1.weight", "conv1.bias")."""
        names = _TENSORS.get(self.op, ())
        return tuple(f"{self.module}.{name}" for name in names if name != "bias" or self.has_bias)


Graph = tuple[Node, ...]
"""In the order of computation: each node stands after all that it reads. The last one gives the logits."""


def graph(config: TrainingConfig) -> Graph:
    """What `networks.architectures.build(config)` computes in evaluation mode, node by node.

    >>> [(node.name, node.shape) for node in graph(TrainingConfig())][:3]
    [('conv1', (10, 26, 26)), ('relu1', (10, 26, 26)), ('pool1', (10, 13, 13))]
    >>> graph(TrainingConfig())[-1].tensors
    ('fc2.weight', 'fc2.bias')
    """
    return _BUILDERS[config.architecture](config)


def input_shapes(nodes: Graph, node: Node) -> list[tuple[int, ...]]:
    """The shapes of what `node` reads, for one picture."""
    shapes = {INPUT: INPUT_SHAPE} | {other.name: other.shape for other in nodes}
    return [shapes[name] for name in node.inputs]


def tensor_shapes(nodes: Graph) -> dict[str, tuple[int, ...]]:
    """The tensors that the nodes compute with and their shapes, in the nodes' order.

    >>> list(tensor_shapes(graph(TrainingConfig(architecture="linear"))).items())
    [('fc.weight', (10, 784)), ('fc.bias', (10,))]
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for node in nodes:
        (before, *_) = input_shapes(nodes, node)
        window = (node.kernel, node.kernel) if node.op == "convolution" else ()
        for name in node.tensors:
            is_matrix = name.endswith(".weight") and node.op != "normalisation"
            shapes[name] = (node.shape[0], before[0], *window) if is_matrix else (node.shape[0],)
    return shapes


def check_weights(nodes: Graph, weights: Weights) -> None:
    """Raise ValueError, with the tensor's name, where one is missing, has another shape or is not finite."""
    for name, shape in tensor_shapes(nodes).items():
        if name not in weights:
            raise ValueError(f"{name} is missing: the network needs it with the shape {shape}")
        if weights[name].shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {weights[name].shape}")
        if not np.isfinite(weights[name]).all():
            raise ValueError(f"{name} has values that are not finite")


def multiplications(nodes: Graph, node: Node) -> int:
    """For one picture; additions are not counted."""
    if node.op in ("convolution", "linear"):
        per_value = math.prod(tensor_shapes(nodes)[node.tensors[0]][1:])
        return math.prod(node.shape) * per_value
    return 0


# --- The architectures, in the words of networks/net.py and networks/architectures.py ------------------------------


class _Builder:
    """Adds nodes and works out their shapes."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {INPUT: INPUT_SHAPE}

    def add(self, name: str, op: Op, inputs: Sequence[str], shape: tuple[int, ...], **more: int | str | bool) -> str:
        self.nodes.append(Node(name, op, tuple(inputs), shape, **more))  # type: ignore[arg-type]
        self.shapes[name] = shape
        return name

    def convolution(
        self, name: str, x: str, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True
    ) -> str:
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in self.shapes[x][1:])
        look = {"kernel": kernel, "stride": stride, "padding": padding, "has_bias": bias}
        return self.add(name, "convolution", [x], (outputs, height, width), module=name, **look)

    def normalisation(self, name: str, x: str) -> str:
        return self.add(name, "normalisation", [x], self.shapes[x], module=name)

    def relu(self, name: str, x: str) -> str:
        return self.add(name, "relu", [x], self.shapes[x])

    def addition(self, name: str, x: str, y: str) -> str:
        return self.add(name, "addition", [x, y], self.shapes[x])

    def max_pooling(self, name: str, x: str) -> str:
        channels, height, width = self.shapes[x]
        return self.add(name, "max-pooling", [x], (channels, height // 2, width // 2), kernel=2, stride=2)

    def average_pooling(self, name: str, x: str) -> str:
        return self.add(name, "average-pooling", [x], self.shapes[x][:1])

    def flatten(self, x: str) -> str:
        return self.add("flatten", "flatten", [x], (math.prod(self.shapes[x]),))

    def linear(self, name: str, x: str, outputs: int) -> str:
        return self.add(name, "linear", [x], (outputs,), module=name)

    def done(self) -> Graph:
        return tuple(self.nodes)


def _net(config: TrainingConfig) -> Graph:
    b = _Builder()
    x = b.max_pooling("pool1", b.relu("relu1", b.convolution("conv1", INPUT, config.conv1_channels, 3)))
    x = b.max_pooling("pool2", b.relu("relu2", b.convolution("conv2", x, config.conv2_channels, 3)))
    b.linear("fc2", b.relu("relu3", b.linear("fc1", b.flatten(x), config.hidden_units)), CLASSES)
    return b.done()


def _linear(_config: TrainingConfig) -> Graph:
    b = _Builder()
    b.linear("fc", b.flatten(INPUT), CLASSES)
    return b.done()


def _perceptron(config: TrainingConfig) -> Graph:
    b = _Builder()
    b.linear("fc2", b.relu("relu", b.linear("fc1", b.flatten(INPUT), config.hidden_units)), CLASSES)
    return b.done()


def _residual(channels: Sequence[int], convolutions: int) -> Graph:
    """Two stages: a convolution with stride 2, then one block of `convolutions` with a skip connection."""
    b = _Builder()

    def unit(x: str, prefix: str, outputs: int, kernel: int, stride: int) -> str:
        x = b.convolution(f"{prefix}.0", x, outputs, kernel, stride=stride, padding=1, bias=False)
        return b.relu(f"{prefix}.2", b.normalisation(f"{prefix}.1", x))

    x = INPUT
    for stage, outputs in enumerate(channels):
        x = around = unit(x, f"stages.{2 * stage}", outputs, 3 if stage else 4, 2)
        for number in range(convolutions):
            x = unit(x, f"stages.{2 * stage + 1}.convolutions.{number}", outputs, 3, 1)
        x = b.addition(f"stages.{2 * stage + 1}", around, x)
    b.linear("fc", b.flatten(x), CLASSES)
    return b.done()


def _wide(depth: int, width: int) -> Graph:
    b = _Builder()
    x = b.convolution("conv", INPUT, 16, 3, padding=1, bias=False)
    inputs, block = 16, 0
    for outputs, first_stride in ((16 * width, 1), (32 * width, 2), (64 * width, 2)):
        for number in range((depth - 4) // 6):
            prefix, stride = f"blocks.{block}", 1 if number else first_stride
            active = b.relu(f"{prefix}.relu1", b.normalisation(f"{prefix}.norm1", x))
            y = b.convolution(f"{prefix}.conv1", active, outputs, 3, stride=stride, padding=1, bias=False)
            y = b.relu(f"{prefix}.relu2", b.normalisation(f"{prefix}.norm2", y))
            y = b.convolution(f"{prefix}.conv2", y, outputs, 3, padding=1, bias=False)
            if inputs != outputs or stride != 1:
                x = b.convolution(f"{prefix}.around", active, outputs, 1, stride=stride, bias=False)
            x = b.addition(prefix, y, x)
            inputs, block = outputs, block + 1
    b.linear("fc", b.average_pooling("mean", b.relu("relu", b.normalisation("norm", x))), CLASSES)
    return b.done()


_BUILDERS: dict[Architecture, Callable[[TrainingConfig], Graph]] = {
    "net": _net,
    "linear": _linear,
    "perceptron": _perceptron,
    "residual": lambda _config: _residual((32, 64), 1),
    "deep": lambda _config: _residual((48, 96), 2),
    "wide": lambda _config: _wide(40, 4),
}

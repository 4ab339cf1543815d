"""The tutorial's network before training, without torch: its layers in numbers, and weights as PyTorch draws them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.graph import Op, graph, input_shapes, multiplications, tensor_shapes
from fmnist_core.inside.network import Network
from fmnist_core.settings.config import TrainingConfig

_KINDS: dict[Op, str] = {
    "convolution": "convolution",
    "relu": "ReLU",
    "max-pooling": "max-pooling",
    "flatten": "flatten",
    "linear": "linear",
}


@dataclass(frozen=True)
class Layer:
    """One step of the way from an image to ten logits."""

    name: str
    kind: str
    """The field's name of the operation: "convolution", "ReLU", "max-pooling", "linear", …"""
    kernel: str
    """Size of the window, such as "3x3"; empty where there is none."""
    input_shape: tuple[int, ...]
    """Of one image, without the batch: (channels, height, width) or (units,)."""
    output_shape: tuple[int, ...]
    parameters: int
    """Weights and biases that training changes."""
    multiplications: int
    """For one image, biases not counted."""


def layers(config: TrainingConfig) -> list[Layer]:
    """The layers of `Net` in the order of its `forward`, the dropout among them.

    >>> [layer.output_shape for layer in layers(TrainingConfig())][:3]
    [(10, 26, 26), (10, 26, 26), (10, 13, 13)]
    >>> sum(layer.parameters for layer in layers(TrainingConfig()))
    27480
    """
    nodes, found = graph(config), []
    shapes = tensor_shapes(nodes)
    for node in nodes:
        (before, *_) = input_shapes(nodes, node)
        kernel = f"{node.kernel}x{node.kernel}" if node.kernel else ""
        name = "pool" if node.op == "max-pooling" else node.name
        parameters = sum(math.prod(shapes[tensor]) for tensor in node.tensors)
        found.append(Layer(name, _KINDS[node.op], kernel, before, node.shape, parameters, multiplications(nodes, node)))
        if node.name == "relu3":
            found.append(Layer("fc1_drop", "dropout", "", node.shape, node.shape, 0, 0))
    return found


def fresh(config: TrainingConfig, seed: int = 0) -> Network:
    """`Net` with the weights that PyTorch gives it after `torch.manual_seed(seed)`, to the last bit.

    Each convolution and linear layer draws its weights, then its biases, evenly from -1/√n to 1/√n, n being the inputs of
    one output (`torch.nn.init.kaiming_uniform_` with a = √5); of each 32 random bits the lower 24 count.
    """
    random = np.random.RandomState(seed)  # the Mersenne Twister with the seeding that torch uses, too
    weights: dict[str, npt.NDArray[np.float32]] = {}
    nodes = graph(config)
    shapes = tensor_shapes(nodes)
    for name, shape in shapes.items():
        inputs = math.prod(shapes[f"{name.rpartition('.')[0]}.weight"][1:])
        bound = 1 / math.sqrt(inputs)
        bits = random.randint(0, 2**32, math.prod(shape), np.uint32) & np.uint32(2**24 - 1)
        share = bits.astype(np.float64) * 2.0**-24
        low, high = np.float32(-bound), np.float32(bound)
        weights[name] = (share * (high - low) + low).astype(np.float32).reshape(shape)  # rounded once, as torch does
    return Network(config, weights)


def printed(config: TrainingConfig) -> str:
    """What `print(net)` prints."""
    first, second, hidden = config.conv1_channels, config.conv2_channels, config.hidden_units
    return "\n".join(
        (
            "Net(",
            f"  (conv1): Conv2d(1, {first}, kernel_size=(3, 3), stride=(1, 1))",
            "  (pool): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
            f"  (conv2): Conv2d({first}, {second}, kernel_size=(3, 3), stride=(1, 1))",
            f"  (fc1): Linear(in_features={25 * second}, out_features={hidden}, bias=True)",
            f"  (fc1_drop): Dropout(p={config.dropout}, inplace=False)",
            f"  (fc2): Linear(in_features={hidden}, out_features=10, bias=True)",
            ")",
        )
    )

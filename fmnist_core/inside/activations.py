"""Pictures through a network, forward and back, in NumPy: every value on the way, and how the outputs depend on it.

In evaluation mode all our networks are piecewise linear: convolutions, linear layers and fixed normalisation are linear,
ReLU and max-pooling choose. So gradients are exact slopes (see `attribution`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from fmnist_core.data.dataset import MEAN, STD
from fmnist_core.inside.graph import EPSILON, INPUT, Graph, Node, Weights

Array = npt.NDArray[np.float32]
"""Or float64: what is computed has the type of what goes in."""
Values = dict[str, Array]
"""By node name, and `INPUT`: what it puts out, (N, *node.shape)."""

CHUNK = 250
"""Pictures that go through together at most: a layer's output then fits the cache of a processor."""
AT_ONCE = 20_000_000
"""Values of all layers together that are held for them: 80 MB."""


def as_input(images: npt.NDArray[np.uint8], *, standardise: bool = False) -> npt.NDArray[np.float32]:
    """(N, 28, 28) uint8 to (N, 1, 28, 28) float32 as the network sees it: what `evaluation.as_input` does in torch.

    In [0, 1], or with the mean and standard deviation of the training pixels taken out.
    """
    values = images.astype(np.float32) / np.float32(255)
    if standardise:
        values = (values - np.float32(MEAN)) / np.float32(STD)
    return values[:, None]


def black(*, standardise: bool = False) -> float:
    """What the network sees where a picture is black: 0, or less where pictures are standardised."""
    return float(as_input(np.zeros((1, 1, 1), np.uint8), standardise=standardise).item())


def together(nodes: Graph) -> int:
    """How many pictures go through at once: 250 of the tutorial's network, 5 of the wide one."""
    return max(1, min(CHUNK, AT_ONCE // sum(math.prod(node.shape) for node in nodes)))


def forward(nodes: Graph, weights: Weights, x: Array, *, only: Sequence[str] | None = None) -> Values:
    """What each node puts out for `x`, (N, 1, 28, 28): by name, and `INPUT` itself.

    Computes in the type of `x`. `only`: the nodes to keep; others are dropped as soon as nothing needs them.
    """
    values: Values = {INPUT: x}
    last_use = {name: place for place, node in enumerate(nodes) for name in node.inputs}
    for place, node in enumerate(nodes):
        values[node.name] = apply(node, weights, [values[name] for name in node.inputs])
        if only is not None:
            for name in {name for name in node.inputs if last_use[name] == place and name not in only}:
                del values[name]
    if only is not None:
        return {name: values[name] for name in only}
    return values


def logits(nodes: Graph, weights: Weights, x: Array, *, flip: bool = False) -> Array:
    """(N, 10) for `x`, (N, 1, 28, 28), a chunk at a time. `flip`: the mean over each picture and its mirror image."""
    last = nodes[-1].name
    parts: list[Array] = []
    for begin in range(0, len(x), together(nodes)):
        some = x[begin : begin + together(nodes)]
        part = forward(nodes, weights, some, only=[last])[last]
        if flip:
            part = np.multiply(part + forward(nodes, weights, some[..., ::-1], only=[last])[last], 0.5, dtype=x.dtype)
        parts.append(part)
    found: Array = np.concatenate(parts) if parts else np.empty((0, nodes[-1].shape[0]), np.float32)
    return found


@dataclass(frozen=True)
class Slopes:
    """How a weighted sum of the logits depends on everything before it."""

    gradients: Values
    """By node name, and `INPUT`: (N, *node.shape)."""
    constant: npt.NDArray[np.float64]
    """(N,) what the sum would be from biases alone: the sum is `constant` plus each input value times its gradient."""


def backward(nodes: Graph, weights: Weights, values: Values, seed: Array) -> Slopes:
    """Slopes of `(logits * seed).sum(1)`, `seed` (N, 10), at the place that `values` of `forward` describes.

    Where values tie, the first one wins a max-pooling and ReLU's slope at 0 is 0, as in torch.
    """
    gradients: Values = {nodes[-1].name: seed.astype(values[nodes[-1].name].dtype)}
    constant = np.zeros(len(seed), np.float64)
    for node in reversed(nodes):
        slope = gradients[node.name]
        before = values[node.inputs[0]]
        match node.op:
            case "addition":
                parts = [slope, slope]
            case "relu":
                parts = [np.where(before > 0, slope, 0)]
            case "flatten":
                parts = [slope.reshape(before.shape)]
            case "average-pooling":
                area = before.shape[2] * before.shape[3]
                parts = [np.broadcast_to(slope[:, :, None, None] / area, before.shape)]
            case "linear":
                parts = [slope @ weights[f"{node.module}.weight"]]
                constant += slope.astype(np.float64) @ weights[f"{node.module}.bias"]
            case "normalisation":
                scale, shift = normalising(node, weights)
                parts = [slope * scale[:, None, None]]
                constant += np.einsum("nchw,c->n", slope.astype(np.float64), shift)
            case "max-pooling":
                parts = [_unpool(before, slope)]
            case "convolution":
                parts = [_unconvolve(node, weights, slope, before.shape)]
                if node.has_bias:
                    constant += slope.astype(np.float64).sum((2, 3)) @ weights[f"{node.module}.bias"]
        for name, part in zip(node.inputs, parts, strict=True):
            gradients[name] = gradients[name] + part if name in gradients else part
    return Slopes(gradients, constant)


def normalising(node: Node, weights: Weights) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(scale, shift), (channels,) each: batch normalisation in evaluation mode is `x * scale + shift`."""
    weight, bias, mean, variance = (weights[name] for name in node.tensors)
    scale = weight / np.sqrt(variance + weight.dtype.type(EPSILON))
    return scale, bias - mean * scale


def pool_winners(before: Array) -> npt.NDArray[np.int64]:
    """(N, channels, height / 2, width / 2): which of the four values 0 1 / 2 3 of each window is the largest, the first of equals."""
    winners: npt.NDArray[np.int64] = _windows(before).argmax(-1)
    return winners


def pool_ties(before: Array) -> npt.NDArray[np.bool_]:
    """(N, channels, height / 2, width / 2): whether two or more of the four values are the largest, and above 0."""
    windows = _windows(before)
    top = windows.max(-1, keepdims=True)
    tied: npt.NDArray[np.bool_] = ((windows == top).sum(-1) > 1) & (top[..., 0] > 0)
    return tied


# --- One operation -------------------------------------------------------------------------------------------------


def apply(node: Node, weights: Weights, inputs: Sequence[Array]) -> Array:
    """What one node puts out for what it reads, (N, …) each."""
    x, y = inputs[0], inputs[-1]
    match node.op:
        case "convolution":
            y = _convolve(node, weights, x)
        case "normalisation":
            scale, shift = normalising(node, weights)
            y = x * scale[:, None, None] + shift[:, None, None]
        case "relu":
            y = np.maximum(x, 0)
        case "addition":
            y = x + inputs[1]
        case "max-pooling":
            bottom, right = x.shape[2] // 2 * 2, x.shape[3] // 2 * 2
            a, b, c, d = (x[:, :, row:bottom:2, column:right:2] for row in (0, 1) for column in (0, 1))
            y = np.maximum(np.maximum(a, b), np.maximum(c, d))
        case "average-pooling":
            y = x.mean((2, 3))
        case "flatten":
            y = x.reshape(len(x), -1)
        case "linear":
            y = x @ weights[f"{node.module}.weight"].T + weights[f"{node.module}.bias"]
    return y


def _convolve(node: Node, weights: Weights, x: Array) -> Array:
    kernels = weights[f"{node.module}.weight"]  # (outputs, inputs, kernel, kernel)
    p, k, s = node.padding, node.kernel, node.stride
    if p:
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = sliding_window_view(x, (k, k), (2, 3))[:, :, ::s, ::s]  # (N, inputs, height, width, k, k)
    n, inputs, height, width = windows.shape[:4]
    columns = np.ascontiguousarray(windows.transpose(0, 1, 4, 5, 2, 3)).reshape(n, inputs * k * k, height * width)
    y: Array = np.matmul(kernels.reshape(len(kernels), -1), columns).reshape(n, len(kernels), height, width)
    if node.has_bias:
        y += weights[f"{node.module}.bias"][:, None, None]
    return y


def _unconvolve(node: Node, weights: Weights, slope: Array, shape: tuple[int, ...]) -> Array:
    """The slope of a convolution's input, (N, inputs, height, width) = `shape`, from that of its output."""
    kernels = weights[f"{node.module}.weight"]
    p, k, s = node.padding, node.kernel, node.stride
    n, outputs, height, width = slope.shape
    columns = np.matmul(kernels.reshape(outputs, -1).T, slope.reshape(n, outputs, -1))
    columns = columns.reshape(n, shape[1], k, k, height, width)
    wide = np.zeros((n, shape[1], shape[2] + 2 * p, shape[3] + 2 * p), slope.dtype)
    for row in range(k):
        for column in range(k):
            wide[:, :, row : row + s * height : s, column : column + s * width : s] += columns[:, :, row, column]
    return wide[:, :, p : p + shape[2], p : p + shape[3]]


def _windows(x: Array) -> Array:
    """(N, channels, height // 2, width // 2, 4): the 2 x 2 windows, row by row."""
    n, channels, height, width = (len(x), x.shape[1], x.shape[2] // 2, x.shape[3] // 2)
    cut = x[:, :, : 2 * height, : 2 * width].reshape(n, channels, height, 2, width, 2)
    return cut.transpose(0, 1, 2, 4, 3, 5).reshape(n, channels, height, width, 4)


def _unpool(before: Array, slope: Array) -> Array:
    """The slope of max-pooling's input: each winner gets its window's, all others 0."""
    n, channels, height, width = slope.shape
    one = np.arange(4) == pool_winners(before)[..., None]
    spread = np.where(one, slope[..., None], 0).reshape(n, channels, height, width, 2, 2)
    wide = np.zeros_like(before)
    wide[:, :, : 2 * height, : 2 * width] = spread.transpose(0, 1, 2, 4, 3, 5).reshape(
        n, channels, 2 * height, 2 * width
    )
    return wide

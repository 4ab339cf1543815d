"""Every picture as a point: what the last hidden layer makes of it, or its pixels, on their first two principal components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_core.inside import activations
from fmnist_core.inside.network import Network
from fmnist_core.training.compiled import predict

SLOW = 2_000
"""Pictures of a map of a network that takes milliseconds for each."""

Points = npt.NDArray[np.float32]
"""(N, 2): centred; the standard deviation over both axes together is 1."""


def seen_by_last_layer(network: Network, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, units) float32: what the last linear layer reads, of `images`, (N, 28, 28) uint8."""
    config = network.config
    if config.architecture == "net":
        return predict.activations(network.weights, images, standardise=config.standardise)[1]
    name = network.nodes[-1].inputs[0]
    some = activations.together(network.nodes)
    parts = [network.values(images[n : n + some], [name])[name] for n in range(0, len(images), some)]
    return np.concatenate(parts)


def principal(features: npt.NDArray[np.float32]) -> tuple[Points, float]:
    """The points, and the share of all variance that these two directions have, in [0, 1].

    Signs are fixed, so that the same features always give the same map. A layer that says nothing gives zeros.

    >>> principal(np.array([[0, 0, 1], [2, 0, 1], [4, 0, 1]], np.float32))[1]
    1.0
    """
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    if (
        len(centred) < centred.shape[1]
    ):  # more numbers than pictures: the smaller of the two products has the same values
        values, vectors = np.linalg.eigh(centred @ centred.T)
        axes = centred.T @ vectors[:, ::-1][:, :2] / np.sqrt(np.maximum(values[::-1][:2], 1e-12))
    else:
        values, vectors = np.linalg.eigh(centred.T @ centred)
        axes = vectors[:, ::-1][:, :2]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1)
    points, total = centred @ axes, float(values.sum())
    spread = float(np.sqrt((points**2).mean() * points.shape[1])) or 1.0
    share = float(values[::-1][:2].sum()) / total if total > 0 else 0.0
    return (points / spread).astype(np.float32), round(share, 6)


def aligned(points: Points, reference: Points) -> Points:
    """`points` turned, and mirrored if need be, to lie as near `reference` as they can (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(points.T.astype(np.float64) @ reference.astype(np.float64))
    turned: Points = (points @ (left @ right)).astype(np.float32)
    return turned


def pixels(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 784) float32 in [0, 1]."""
    return activations.as_input(images).reshape(len(images), -1)

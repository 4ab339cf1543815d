"""A network without torch: what it was trained with, and its weights at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fmnist_core.inside import activations
from fmnist_core.inside.graph import CLASSES, Graph, Weights, check_weights, graph
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled.predict import predict


@dataclass(frozen=True, eq=False)
class Network:
    """Weights, and the settings that say how they are connected and what pictures they were trained to see.

    Raises ValueError, with the tensor's name, where the weights do not fit the settings.
    """

    config: TrainingConfig
    weights: Weights

    def __post_init__(self) -> None:
        check_weights(self.nodes, self.weights)

    @cached_property
    def nodes(self) -> Graph:
        """The operations, in order."""
        return graph(self.config)

    @property
    def black(self) -> float:
        """What the network sees where a picture is black."""
        return activations.black(standardise=self.config.standardise)

    def input(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, 28, 28) uint8 to (N, 1, 28, 28) float32, as the network sees them."""
        return activations.as_input(images, standardise=self.config.standardise)

    def values(self, images: npt.NDArray[np.uint8], only: Sequence[str] | None = None) -> activations.Values:
        """What each node puts out for `images`, (N, 28, 28) uint8; `only` some of them."""
        return activations.forward(self.nodes, self.weights, self.input(images), only=only)

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, 10), as the run's own measurements compute them: where they average over mirror images, so does this."""
        config = self.config
        if config.architecture == "net":  # in C where that is compiled
            return predict(self.weights, images, standardise=config.standardise, flip=config.flip_test)
        parts = [np.empty((0, CLASSES), np.float32)]
        some = activations.together(self.nodes)
        for begin in range(0, len(images), some):
            x = self.input(images[begin : begin + some])
            parts.append(activations.logits(self.nodes, self.weights, x, flip=config.flip_test))
        return np.concatenate(parts)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities of the same shape: each row sums to 1.

    >>> softmax(np.zeros((1, 10), np.float32)).round(3).tolist()[0][0]
    0.1
    """
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    odds = np.exp(shifted)
    shares: npt.NDArray[np.float64] = odds / odds.sum(-1, keepdims=True)
    return shares

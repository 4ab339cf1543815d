"""The tutorial's network scored again after an edit, where there is no compiler: only what the edit changes is computed.

Kept of the network as trained: what its convolutions make of the pictures and the sums of its hidden layer, for 10,000 pictures
22 MB. Most edits leave the convolutions alone, which take nine tenths of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.edits import Patient
from fmnist_core.inside.graph import Weights
from fmnist_core.inside.network import Network
from fmnist_core.training.compiled.predict import LEVELS, STANDARDISED, WINDOWS, pooled_with_numpy

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Kept:
    """A trained network and what it makes of some pictures, on the way to its logits."""

    trained: Network
    pooled: tuple[Float32, ...]
    """(N, 25 x channels): what the first linear layer reads; with `flip_test` also of the mirror images."""
    sums: tuple[Float32, ...]
    """(N, units): the hidden layer before its ReLU."""

    @classmethod
    def of(cls, trained: Network, images: npt.NDArray[np.uint8]) -> Kept:
        """Of a network of the architecture "net" and `images`, (N, 28, 28) uint8."""
        levels, weights = STANDARDISED if trained.config.standardise else LEVELS, trained.weights
        looks = [images, images[:, :, ::-1]] if trained.config.flip_test else [images]
        pooled = tuple(pooled_with_numpy(weights, look, levels) for look in looks)
        return cls(trained, pooled, tuple(p @ weights["fc1.weight"].T + weights["fc1.bias"] for p in pooled))

    def logits(self, patient: Patient) -> Float32 | None:
        """(N, 10) of the trained network after edits; None where they change more than can be made good here."""
        before, after = self.trained.weights, patient.network.weights
        if patient.covered is not None or patient.dropout or _rows(before, after, "conv1").any():
            return None
        channels, units = np.flatnonzero(_rows(before, after, "conv2")), np.flatnonzero(_rows(before, after, "fc1"))
        if after["conv2.weight"][channels].any():
            return None
        levels = np.maximum(after["conv2.bias"][channels], np.float32(0))  # what is left of a channel without weights
        places = (channels[:, None] * WINDOWS + np.arange(WINDOWS)).ravel()
        logits = [
            self._one(pooled, sums, after, places, np.repeat(levels, WINDOWS), units)
            for pooled, sums in zip(self.pooled, self.sums, strict=True)
        ]
        mean: Float32 = np.mean(logits, axis=0, dtype=np.float32)
        return mean

    def _one(
        self,
        pooled: Float32,
        sums: Float32,
        after: Weights,
        places: npt.NDArray[np.int64],
        levels: Float32,
        units: npt.NDArray[np.int64],
    ) -> Float32:
        """Of the pictures, or of their mirror images: `places` of `pooled` are `levels` now, `units` have other weights."""
        change: Float32 = (levels - pooled[:, places]).astype(np.float32)
        if len(places):
            sums = sums + change @ self.trained.weights["fc1.weight"][:, places].T
        if len(units):
            weights = after["fc1.weight"][units]
            own = pooled @ weights.T + after["fc1.bias"][units]
            own += change @ weights[:, places].T
            sums = sums.copy()
            sums[:, units] = own
        logits: Float32 = np.maximum(sums, np.float32(0)) @ after["fc2.weight"].T + after["fc2.bias"]
        return logits


def _rows(before: Weights, after: Weights, layer: str) -> npt.NDArray[np.bool_]:
    """(outputs,): whose weights or bias differ."""
    weight, bias = (before[f"{layer}.{kind}"] != after[f"{layer}.{kind}"] for kind in ("weight", "bias"))
    differs: npt.NDArray[np.bool_] = weight.reshape(len(bias), -1).any(1) | bias
    return differs

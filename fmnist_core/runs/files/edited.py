"""A checkpoint whose weights were changed by hand, for a branch to train on from."""

from __future__ import annotations

import json

import numpy as np

from fmnist_core.runs.files.snapshots import Weights


def with_weights(checkpoint: bytes, weights: Weights) -> bytes:
    """A checkpoint with other weights of the network; the optimizer's state, the order of the images and the rest stay."""
    from safetensors.numpy import load, save

    length = int.from_bytes(checkpoint[:8], "little")  # of the header, in JSON
    facts, tensors = json.loads(checkpoint[8 : 8 + length])["__metadata__"], load(checkpoint)
    for name, values in weights.items():
        tensors[f"net.{name}"] = np.ascontiguousarray(values)
    return save(tensors, metadata=facts)

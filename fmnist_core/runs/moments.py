"""A run looked at from above: what the network said of each test image at every moment that was kept. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fmnist_core.runs.folder import RunFolder


def predictions(folder: RunFolder, steps: Sequence[int]) -> npt.NDArray[np.uint8]:
    """(len(steps), 10,000) uint8: the predicted class of every test image after each of these steps.

    Raises FileNotFoundError where the logits of a step are missing.
    """
    found = [folder.logits(step).argmax(axis=1).astype(np.uint8) for step in steps]
    return np.stack(found) if found else np.empty((0, 10_000), np.uint8)


def logits_of(folder: RunFolder, steps: Sequence[int], image: int) -> npt.NDArray[np.float32]:
    """(len(steps), 10) float32: the logits of one test image after each of these steps."""
    found = [folder.logits(step)[image].astype(np.float32) for step in steps]
    return np.stack(found) if found else np.empty((0, 10), np.float32)


def first_filters(weights: dict[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32] | None:
    """(filters, height, width): the weights that touch the pixels, as pictures; None where they are none.

    Of a convolution its kernels over the one gray channel; of a linear layer over 784 pixels one 28 x 28 picture a unit.

    >>> first_filters({"conv1.weight": np.zeros((10, 1, 3, 3), np.float32)}).shape
    (10, 3, 3)
    """
    for values in weights.values():
        if values.ndim == 4 and values.shape[1] == 1:
            return values[:, 0]
        if values.ndim == 2 and values.shape[1] == 28 * 28:
            return values.reshape(-1, 28, 28)
    return None

"""Labels that are probably wrong, by confident learning. NumPy only.

C. G. Northcutt, L. Jiang, I. L. Chuang, 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70, https://arxiv.org/abs/1911.00068. Their package cleanlab is the reference in the tests.
The probabilities must come from networks that have not been trained on the pictures that they judge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32] | npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Doubts:
    """Which labels to look at, the most doubtful first."""

    indices: npt.NDArray[np.int64]
    """(D,) int64: positions in the labels that were given."""
    suggested: npt.NDArray[np.int64]
    """(D,) int64: the class that the networks see instead."""
    given_probability: npt.NDArray[np.float64]
    """(D,) float64: what they give to the label as it is, the lowest first."""
    suggested_probability: npt.NDArray[np.float64]
    joint: npt.NDArray[np.float64]
    """(10, 10) float64: estimated share of the pictures by [given label, true class]; sums to 1 (equation 3)."""

    @property
    def estimated_errors(self) -> float:
        """Share of labels that are wrong, as the joint has it."""
        return float(1 - np.trace(self.joint))


def thresholds(labels: npt.NDArray[np.uint8], probabilities: Probabilities) -> npt.NDArray[np.float64]:
    """(K,) float64, equation 2: how sure the networks are of class j on pictures labelled j, on average."""
    classes = range(probabilities.shape[1])
    return np.array([probabilities[labels == j, j].mean(dtype=np.float64) for j in classes])


def confident_classes(labels: npt.NDArray[np.uint8], probabilities: Probabilities) -> npt.NDArray[np.int64]:
    """(N,) int64, equation 1: of the classes above their threshold the most probable one; -1 where there is none."""
    above = probabilities >= thresholds(labels, probabilities)
    best = np.where(above, probabilities, -1).argmax(axis=1)
    return np.where(above.any(axis=1), best, -1)


def confident_joint(labels: npt.NDArray[np.uint8], confident: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(10, 10) int64: pictures by [given label, confident class]."""
    sure = confident >= 0
    return np.bincount(labels[sure].astype(np.int64) * 10 + confident[sure], minlength=100).reshape(10, 10)


def find_doubts(labels: npt.NDArray[np.uint8], probabilities: Probabilities) -> Doubts:
    """The pictures off the diagonal of the confident joint, the paper's first method (section 3.2).

    Left out, as cleanlab does: pictures whose label is the most probable class all the same.

    `labels`: (N,) uint8; `probabilities`: (N, 10), rows sum to 1. Raises ValueError where they do not fit, or where a class
    has no picture.
    """
    if probabilities.shape != (len(labels), 10) or len(np.unique(labels)) < 10:
        raise ValueError(f"need labels of all ten classes and (N, 10) probabilities, got {probabilities.shape}")
    confident = confident_classes(labels, probabilities)
    counts = confident_joint(labels, confident).astype(np.float64)
    per_label = np.bincount(labels, minlength=10)
    calibrated = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1) * per_label[:, None]  # equation 3
    found = np.flatnonzero((confident >= 0) & (confident != labels) & (probabilities.argmax(axis=1) != labels))
    given = probabilities[found, labels[found]].astype(np.float64)
    order = np.argsort(given, kind="stable")
    found, given = found[order], given[order]
    suggested = confident[found]
    return Doubts(
        found,
        suggested,
        given,
        probabilities[found, suggested].astype(np.float64),
        calibrated / calibrated.sum(),
    )

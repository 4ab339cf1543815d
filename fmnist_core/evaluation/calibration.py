"""Whether a network is right as often as it says: reliability, temperature, and what it gains by not answering.

NumPy only. A network's confidence is the highest of its ten probabilities.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.once import once

Floats = npt.NDArray[np.float64]

BINS = 15
"""As in Guo et al."""
TEMPERATURES = (0.05, 20.0)
"""Between these a temperature is looked for."""


# --- Reliability ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reliability:
    """Images by confidence, in bins of equal width from 0 to 1. An empty bin has confidence and accuracy 0."""

    edges: Floats
    """(bins + 1,): bin b holds confidences above `edges[b]`, up to and including `edges[b + 1]`."""
    count: npt.NDArray[np.int64]
    """(bins,) images."""
    right: npt.NDArray[np.int64]
    """(bins,) images predicted correctly."""
    confidence: Floats
    """(bins,) mean confidence, in [0, 1]."""
    members: npt.NDArray[np.int64]
    """(N,) the bin of each image."""

    @property
    def accuracy(self) -> Floats:
        """(bins,) share of correct images, in [0, 1]."""
        shares: Floats = self.right / np.maximum(self.count, 1)
        return shares

    @property
    def error(self) -> float:
        """Expected calibration error in [0, 1]: the mean gap between confidence and accuracy, bins weighted by images.

        Guo et al., 2017, "On calibration of modern neural networks", equation 3.
        """
        return float(self.count @ np.abs(self.accuracy - self.confidence) / self.count.sum())

    def error_by_chance(self, draws: int = 1_000, seed: int = 0) -> float:
        """The expected calibration error that a perfectly calibrated network would show with these confidences.

        It is not 0: in each bin the accuracy of a sample strays from the confidence. Mean over `draws` samples.
        """
        return _error_by_chance(self.count, self.confidence, draws, seed)


@once(256)
def _error_by_chance(count: npt.NDArray[np.int64], confidence: Floats, draws: int, seed: int) -> float:
    right = np.random.default_rng(seed).binomial(count, confidence, (draws, len(count)))
    gaps = np.abs(right / np.maximum(count, 1) - confidence)  # (draws, bins)
    return float((gaps @ count).mean() / count.sum())


def reliability(result: Evaluation, bins: int = BINS) -> Reliability:
    """Sort the images into `bins` bins of equal width by confidence."""
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    edges = np.linspace(0, 1, bins + 1)
    confidence = result.confidences.astype(np.float64)
    members = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    count = np.bincount(members, minlength=bins)
    right = np.bincount(members[result.is_right], minlength=bins)
    means = np.bincount(members, confidence, bins) / np.maximum(count, 1)
    return Reliability(edges, count, right, means, members)


# --- Temperature ---------------------------------------------------------------------------------------------------


def scaled(result: Evaluation, temperature: float | Floats) -> Evaluation:
    """The same network with its logits divided by `temperature`: one for all, or (N,) one for each image.

    Above 1 makes it less sure, below 1 surer. Predictions stay: the highest logit stays the highest.
    """
    divisor = np.broadcast_to(np.asarray(temperature, np.float64), result.labels.shape)
    if not (divisor > 0).all():
        raise ValueError(f"temperature must be above 0, got {divisor.min():g}")
    return replace(result, logits=(result.logits / divisor[:, None]).astype(np.float32))


def fit_temperature(result: Evaluation) -> float:
    """The temperature with the lowest loss on these images (Guo et al., 2017, section 4.2), to 0.0001 or so.

    The loss has one minimum in 1 / T, for it is convex there: a bounded search within `TEMPERATURES` finds it. Fit on images
    that the figures are not taken from. Searched for once for the same logits: a page asks again and again.
    """
    key = hashlib.blake2b(np.ascontiguousarray(result.logits).tobytes() + result.labels.tobytes()).digest()
    if key not in _fitted:
        while len(_fitted) >= FITS_KEPT:
            _fitted.pop(next(iter(_fitted)), None)
        _fitted[key] = _search(result)
    return _fitted[key]


FITS_KEPT = 256
_fitted: dict[bytes, float] = {}
"""Temperatures by what they were fitted to, the oldest first."""


def _search(result: Evaluation) -> float:
    logits = result.logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    truth = logits[np.arange(len(logits)), result.labels].mean()

    def loss(inverse: float) -> float:
        return float(np.log(np.exp(logits * inverse).sum(axis=1)).mean() - truth * inverse)

    from scipy.optimize import minimize_scalar  # here, because only this needs it, and a page would carry its 40 MB

    logarithms = np.log(1 / TEMPERATURES[1]), np.log(1 / TEMPERATURES[0])
    found = minimize_scalar(lambda logarithm: loss(np.exp(logarithm)), bounds=logarithms, method="bounded")
    return float(np.exp(-found.x))


def fit_by_halves(result: Evaluation) -> tuple[Floats, tuple[float, float]]:
    """For a run without validation images: fit on one half of the images, for use on the other, and the other way round.

    Gives each image's temperature (N,), fitted without it, and the two: fitted on the images with an even index, an odd one.
    """
    odd = result.indices % 2 == 1
    if odd.all() or not odd.any():
        raise ValueError("one half has no image")
    on_even, on_odd = fit_temperature(result.subset(~odd)), fit_temperature(result.subset(odd))
    return np.where(odd, on_even, on_odd), (on_even, on_odd)


# --- Not answering -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Coverage:
    """Accuracy of the answers when only the surest images are answered: point i answers i + 1 images, from surest on."""

    confidence: Floats
    """(N,) of the last image answered, falling."""
    coverage: Floats
    """(N,) share of images answered, in (0, 1]."""
    accuracy: Floats
    """(N,) share of the answers that are right, in [0, 1]."""


def coverage(result: Evaluation) -> Coverage:
    """Answer from the surest image to the most doubtful one, and count (the "risk-coverage curve", El-Yaniv and Wiener, 2010)."""
    order = np.argsort(-result.confidences, kind="stable")
    answered = np.arange(1, len(order) + 1)
    right = np.cumsum(result.is_right[order])
    return Coverage(result.confidences[order].astype(np.float64), answered / len(order), right / answered)

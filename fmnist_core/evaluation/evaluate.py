"""Counting, honestly: what a network gets right, per class, and how sure that number is.

NumPy only, so that pages can count stored logits without torch; `evaluate` imports it to run a network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import CLASSES, MEAN, STD
from fmnist_core.evaluation.score import Score

if TYPE_CHECKING:
    import torch

CHANCE = 0.1
"""Accuracy of a guess: ten classes of equal size."""
HUMAN_ACCURACY = 0.835
"""Accuracy of people on 1,000 of the images: https://github.com/zalandoresearch/fashion-mnist, "Benchmark"."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Logits held against the true labels."""

    logits: npt.NDArray[np.float32]
    """(N, 10) float32, before the softmax."""
    labels: npt.NDArray[np.uint8]
    """(N,) uint8."""
    indices: npt.NDArray[np.int64]
    """(N,) int64: which images of the split these are; 0 to N - 1 unless it is a `subset`."""

    @classmethod
    def from_logits(cls, logits: npt.ArrayLike, labels: npt.ArrayLike) -> Evaluation:
        """All images of a split, in its order. Raises ValueError when the shapes do not fit."""
        logits, labels = np.asarray(logits, np.float32), np.asarray(labels, np.uint8)
        if logits.ndim != 2 or logits.shape[1] != len(CLASSES) or labels.shape != logits.shape[:1]:
            raise ValueError(f"need logits (N, 10) and labels (N,), got {logits.shape} and {labels.shape}")
        return cls(logits, labels, np.arange(len(labels)))

    def subset(self, mask: npt.ArrayLike) -> Evaluation:
        """The same about fewer images: those where `mask`, (N,) bool, is true. Their `indices` stay what they were.

        Raises ValueError when the shape does not fit or no image is left.

        >>> whole = Evaluation.from_logits(np.eye(10), range(10))
        >>> whole.subset(whole.labels > 7).indices.tolist()
        [8, 9]
        """
        mask = np.asarray(mask, bool)
        if mask.shape != self.labels.shape or not mask.any():
            raise ValueError(
                f"need a mask ({len(self.labels)},) that leaves an image, got {mask.shape}, {mask.sum()} true"
            )
        return Evaluation(self.logits[mask], self.labels[mask], self.indices[mask])

    @cached_property
    def _log_probabilities(self) -> npt.NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # infinite logits, of a run that diverged: NaN says so
            shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True)
        normalised: npt.NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return normalised

    @cached_property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """(N, 10) float32: the softmax of the logits."""
        return np.exp(self._log_probabilities).astype(np.float32)

    @cached_property
    def losses(self) -> npt.NDArray[np.float64]:
        """(N,) float64: cross-entropy of each image, in nats."""
        picked: npt.NDArray[np.float64] = -self._log_probabilities[np.arange(len(self.labels)), self.labels]
        return picked

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats per image."""
        return float(self.losses.mean())

    @cached_property
    def predictions(self) -> npt.NDArray[np.uint8]:
        """(N,) uint8: the class of the highest logit (the lower one where two are equal)."""
        winners: npt.NDArray[np.uint8] = self.logits.argmax(axis=1).astype(np.uint8)
        return winners

    @cached_property
    def is_right(self) -> npt.NDArray[np.bool_]:
        """(N,) bool: whether the prediction is the label."""
        right: npt.NDArray[np.bool_] = self.predictions == self.labels
        return right

    @cached_property
    def confidences(self) -> npt.NDArray[np.float32]:
        """(N,) float32: the probability given to the prediction, 0.1 to 1."""
        highest: npt.NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    @cached_property
    def margins(self) -> npt.NDArray[np.float32]:
        """(N,) float32: the highest probability minus that of the true class; 0 where the image is right."""
        gaps: npt.NDArray[np.float32] = self.confidences - self.probabilities[np.arange(len(self.labels)), self.labels]
        return gaps

    @cached_property
    def matrix(self) -> npt.NDArray[np.int64]:
        """(10, 10) int64: images by [true class, predicted class]."""
        cells = np.bincount(self.labels.astype(np.int64) * 10 + self.predictions, minlength=100)
        return cells.reshape(10, 10)

    @property
    def correct(self) -> npt.NDArray[np.int64]:
        """(10,) int64: correct images per true class."""
        return self.matrix.diagonal()

    @property
    def total(self) -> npt.NDArray[np.int64]:
        """(10,) int64: images per true class."""
        totals: npt.NDArray[np.int64] = self.matrix.sum(axis=1)
        return totals

    @property
    def accuracy(self) -> float:
        """Share of correct images, in [0, 1]."""
        return float(self.correct.sum() / self.total.sum())

    @property
    def score(self) -> Score:
        """The figures without the images, as a run records them."""
        return Score(self.loss, tuple(self.correct.tolist()), tuple(self.total.tolist()))


def wilson(correct: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval that holds the true accuracy with 95 % confidence (z = 1.96), each end in [0, 1].

    Wilson, 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22. Unlike the usual
    p ± z·sqrt(p(1-p)/n) it stays inside [0, 1] and is right for few images and for accuracies near 0 or 1.

    >>> [round(end, 4) for end in wilson(81, 263)]
    [0.2553, 0.3662]
    """
    if not 0 <= correct <= total or total < 1:
        raise ValueError(f"need 0 <= correct <= total and total >= 1, got {correct} of {total}")
    share, denominator = correct / total, 1 + z * z / total
    centre = (share + z * z / (2 * total)) / denominator
    half = z / denominator * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)


def tutorial_report(score: Score) -> str:
    """The lines that the tutorial prints after testing, word for word.

    >>> print(tutorial_report(Score(0.35, (829,) * 10, (1000,) * 10)).splitlines()[2])
    Test Accuracy of T-shirt/top: 82% (829/1000)
    """
    lines = [f"Test Loss: {score.loss:.6f}", ""]
    for name, correct, total in zip(CLASSES, score.correct, score.total, strict=True):
        lines.append(f"Test Accuracy of {name:>5}: {100 * correct // total:2d}% ({correct:2d}/{total:2d})")
    correct, total = sum(score.correct), sum(score.total)
    lines += ["", f"Test Accuracy (Overall): {100 * correct // total:2d}% ({correct:2d}/{total:2d})"]
    return "\n".join(lines)


def evaluate(
    net: torch.nn.Module,
    images: torch.Tensor,
    labels: npt.ArrayLike,
    batch_size: int = 200,
    *,
    standardise: bool = False,
    flip: bool = False,
    between: Callable[[], object] | None = None,
) -> Evaluation:
    """Run the network over `images` in evaluation mode, without gradients, and count.

    `images`: (N, 1, 28, 28) or (N, 28, 28) on the network's device; uint8 is made what the network was trained on by
    `as_input`. `flip`: the logits are the mean over each picture and its mirror image. `between` is called before each batch:
    what it raises ends the evaluation. Leaves every layer of the network in the mode that it was in. At 200 images a batch, a
    layer's output still fits the cache of a CPU: twice as fast as 1,000.
    """
    import torch

    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.inference_mode():
            found = []
            for part in torch.split(images, batch_size):
                if between:
                    between()
                x = as_input(part, standardise=standardise)
                found.append((net(x) + net(x.flip(-1))) / 2 if flip else net(x))
            logits = torch.cat(found)
    finally:
        for module, mode in modes:
            module.training = mode
    return Evaluation.from_logits(logits.float().cpu().numpy(), labels)


def as_input(images: torch.Tensor, *, standardise: bool = False) -> torch.Tensor:
    """What `ToTensor` does, for a whole batch: (N, 28, 28) uint8 to (N, 1, 28, 28) float32 in [0, 1].

    `standardise`: what `Normalize` does after that, with the mean and standard deviation of the training pixels.
    """
    import torch

    if images.dtype == torch.uint8:
        images = images.float().div_(255)  # as ToTensor: a division, so that the values are the same to the last bit
        if standardise:
            images = images.sub_(MEAN).div_(STD)
    return images if images.dim() == 4 else images.unsqueeze(1)

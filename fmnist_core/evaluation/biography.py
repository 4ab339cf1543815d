"""What became of each image in the course of a run: when it was learned, whether it was forgotten. NumPy only.

After Toneva et al., 2019, "An Empirical Study of Example Forgetting during Deep Neural Network Learning", ICLR
(https://arxiv.org/abs/1812.05159). They look at training images whenever a batch holds them; here it is test images, at
the moments that a run kept. What happens between two moments is not seen, so counts depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Biographies:
    """The predicted class of every image at every moment, held against the true one."""

    steps: Sequence[int]
    """(M,) ascending: weight updates before each moment; 0 is before training."""
    predictions: npt.NDArray[np.uint8]
    """(M, N) uint8."""
    labels: npt.NDArray[np.uint8]
    """(N,) uint8."""

    def __post_init__(self) -> None:
        if self.predictions.shape != (len(self.steps), len(self.labels)) or not len(self.steps):
            raise ValueError(
                f"need predictions (moments, images), at least one moment, got {self.predictions.shape} for "
                f"{len(self.steps)} moments and {len(self.labels)} images"
            )

    @cached_property
    def right(self) -> npt.NDArray[np.bool_]:
        """(M, N): whether the image was right at that moment."""
        right: npt.NDArray[np.bool_] = self.predictions == self.labels
        return right

    @cached_property
    def learned_at(self) -> npt.NDArray[np.int64]:
        """(N,) int64: the step from which on the image is right at every moment to the end; -1 where it ends wrong.

        >>> story = Biographies([0, 10, 20], np.array([[1, 1], [0, 1], [0, 0]], np.uint8), np.array([0, 1], np.uint8))
        >>> story.learned_at.tolist(), story.forgotten.tolist(), story.changes.tolist()
        ([10, -1], [0, 1], [1, 1])
        """
        stays = np.logical_and.accumulate(self.right[::-1], axis=0).sum(axis=0)  # right moments at the end
        place = np.minimum(len(self.steps) - stays, len(self.steps) - 1)
        return np.where(stays > 0, np.asarray(self.steps, np.int64)[place], -1)

    @cached_property
    def forgotten(self) -> npt.NDArray[np.int64]:
        """(N,) int64: forgetting events, that is, moments at which it is wrong after it was right at the one before."""
        events: npt.NDArray[np.int64] = (self.right[:-1] & ~self.right[1:]).sum(axis=0)
        return events

    @cached_property
    def changes(self) -> npt.NDArray[np.int64]:
        """(N,) int64: how often the predicted class changed from one moment to the next, right or wrong."""
        events: npt.NDArray[np.int64] = (self.predictions[:-1] != self.predictions[1:]).sum(axis=0)
        return events

    @cached_property
    def never_learned(self) -> npt.NDArray[np.bool_]:
        """(N,): wrong at every moment."""
        never: npt.NDArray[np.bool_] = np.logical_not(self.right.any(axis=0))
        return never

    @property
    def unforgettable(self) -> npt.NDArray[np.bool_]:
        """(N,): right at some moment and at all that follow; Toneva et al., section 3."""
        always: npt.NDArray[np.bool_] = ~self.never_learned & (self.forgotten == 0)
        return always

    @property
    def final(self) -> npt.NDArray[np.uint8]:
        """(N,) uint8: the class predicted at the last moment."""
        last: npt.NDArray[np.uint8] = self.predictions[-1]
        return last


def stretches(predictions: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """One image's predictions (M,) as [(class, moments in a row), …].

    >>> stretches(np.array([3, 3, 6, 3], np.uint8))
    [(3, 2), (6, 1), (3, 1)]
    """
    ends = np.flatnonzero(np.append(predictions[:-1] != predictions[1:], True)) + 1
    return [(int(predictions[end - 1]), int(n)) for end, n in zip(ends, np.diff(ends, prepend=0), strict=True)]

"""What a network got right on one set of images, as it is recorded. No torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """What a network got right on one set of images."""

    loss: float
    """Mean cross-entropy in nats per image; a uniform guess scores ln 10 = 2.303."""
    correct: tuple[int, ...]
    """Images classified correctly, per class (10)."""
    total: tuple[int, ...]
    """Images, per class (10)."""

    @property
    def accuracy(self) -> float:
        """Share of correct images, in [0, 1]."""
        return sum(self.correct) / sum(self.total)

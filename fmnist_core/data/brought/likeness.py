"""How near a picture is to the training pictures, to choose between ways of preparing it. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Likeness:
    """Training pictures to compare with."""

    pictures: npt.NDArray[np.float32]
    """(N, 784) float32 in [0, 1]."""
    squares: npt.NDArray[np.float32]
    """(N,): the squared length of each."""

    @classmethod
    def to(cls, images: npt.NDArray[np.uint8], count: int = 6_000) -> Likeness:
        """To `count` of the images (N, 28, 28) uint8, evenly spread over them."""
        chosen = images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]
        pictures = chosen.reshape(len(chosen), -1).astype(np.float32) / 255
        return cls(pictures, np.einsum("nd,nd->n", pictures, pictures))

    def distance(self, candidates: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Euclidean distance of each candidate (M, 28, 28) uint8 to the nearest picture, (M,) float32; a pixel counts 0 to 1.

        >>> images = np.stack([np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)])
        >>> Likeness.to(images).distance(images // 2 * 2)[0].item()
        0.0
        """
        wanted = candidates.reshape(len(candidates), -1).astype(np.float32) / 255
        squares = self.squares[:, None] - 2 * (self.pictures @ wanted.T)  # (N, M), |candidate|² left out
        nearest = squares.min(axis=0) + np.einsum("md,md->m", wanted, wanted)
        distances: npt.NDArray[np.float32] = np.sqrt(np.maximum(nearest, 0))
        return distances

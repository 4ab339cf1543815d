"""Which images are nearest to an image: by their pixels, or by what a network makes of them. NumPy only."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

CHUNK = 1_000
"""Images widened to float32 at once: 3 MB for 784 pixels, which stays in a cache."""
SPARE = 16
"""Candidates beyond those wanted, because float32 distances are rounded; the exact ones then decide."""


def nearest(
    queries: npt.NDArray[np.generic], images: npt.NDArray[np.generic], count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Indices (Q, count) int64 and Euclidean distances (Q, count) float64 of the nearest `images` to each query.

    Nearest first, the lower index where two are as near. `queries`: (Q, …), `images`: (N, …), of any numeric dtype.
    """
    if queries.shape[1:] != images.shape[1:] or not 1 <= count <= len(images):
        raise ValueError(f"need queries and images alike, got {queries.shape}, {images.shape}, {count} wanted")
    wanted = np.asarray(queries, np.float32).reshape(len(queries), -1)
    kept = min(count + SPARE, len(images))
    best, found = np.empty((len(wanted), 0), np.float32), np.empty((len(wanted), 0), np.int64)
    for start in range(0, len(images), CHUNK):
        part = np.asarray(images[start : start + CHUNK], np.float32).reshape(-1, wanted.shape[1])
        squares = np.einsum("nd,nd->n", part, part) - 2 * (part @ wanted.T).T  # (Q, chunk), |query|² left out
        best = np.concatenate([best, squares], axis=1)
        found = np.concatenate([found, np.broadcast_to(np.arange(start, start + len(part)), squares.shape)], axis=1)
        if best.shape[1] > kept:
            nearer = np.argpartition(best, kept - 1, axis=1)[:, :kept]
            best, found = np.take_along_axis(best, nearer, 1), np.take_along_axis(found, nearer, 1)
    found.sort(axis=1)
    apart = images[found].reshape(len(wanted), kept, -1).astype(np.float64)
    apart -= np.asarray(queries, np.float64).reshape(len(wanted), 1, -1)
    distances = np.sqrt(np.einsum("qnd,qnd->qn", apart, apart))
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return np.take_along_axis(found, order, 1), np.take_along_axis(distances, order, 1)

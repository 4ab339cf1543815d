"""A flat map that puts pictures near each other which the network finds alike: UMAP's layout (McInnes et al., 2018).

Computed by `training/compiled/neighbours.c`, where there is a compiler: the exact nearest neighbours, how sure each picture is
of them, and gradient steps that pull neighbours together and push others apart.
"""

from __future__ import annotations

import ctypes
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.layout import Points
from fmnist_core.training.compiled import library

NEIGHBOURS = 15
"""Of each picture, itself left out, as in UMAP."""
JUDGED = 10
"""Neighbours by which a map is judged."""
EPOCHS, ANEW = 200, 1.0
"""Rounds over all pairs of neighbours for a map that begins from nothing but the principal components, and the rate."""
EPOCHS_ON, ON = 60, 0.25
"""The same for one that begins from the map of a later moment: few and small, so that nothing jumps."""
WIDTH = 4
"""Standard deviation with which a map begins anew: about that of its end."""
SEED = 12_345

Float32 = npt.NDArray[np.float32]
Nearest = npt.NDArray[np.int32]
"""(N, k): of each point its nearest others, the nearest first."""

log = logging.getLogger(__name__)


def prepare() -> ctypes.CDLL | None:
    """The library, compiled now if need be (a second); None where there is no compiler, with a line in the log."""
    if not library.is_wanted():
        return None
    try:
        return library.load(library.build(check, library.NEIGHBOURS))
    except library.NotCompiled as error:
        log.warning("maps keep to principal components: %s", error)
        return None


def is_possible() -> bool:
    """Whether there is a library, or a compiler that can make it."""
    return library.is_wanted() and bool(library.find(library.NEIGHBOURS) or library.compiler())


def check(path: Path) -> None:
    """Raises NotCompiled for a library that finds other neighbours than NumPy does."""
    points = np.random.default_rng(0).standard_normal((70, 5)).astype(np.float32)
    apart = ((points[:, None].astype(np.float64) - points[None]) ** 2).sum(-1)
    np.fill_diagonal(apart, np.inf)
    found, distances = nearest(library.load(path), points, 4)
    order = np.argsort(apart, axis=1)[:, :4]
    if (found != order).any() or not np.allclose(distances**2, np.take_along_axis(apart, order, 1), atol=1e-4):
        raise library.NotCompiled("the compiled search for neighbours finds others than NumPy")


def nearest(library_: ctypes.CDLL, features: Float32, k: int) -> tuple[Nearest, Float32]:
    """The `k` nearest others of each row of `features`, (N, d), exactly, and their distances; (N, k) both.

    Raises ValueError where there are not that many others.
    """
    features = np.ascontiguousarray(features, np.float32)
    if not 0 < k < len(features):
        raise ValueError(f"each of {len(features)} points cannot have {k} neighbours")
    index, distance = np.empty((len(features), k), np.int32), np.empty((len(features), k), np.float32)
    sizes = (ctypes.c_long(size) for size in (*features.shape, k))
    if library_.neighbours(_pointer(features), *sizes, _pointer(index), _pointer(distance)):
        raise MemoryError("not enough memory to look for neighbours")
    return index, distance


def arrange(library_: ctypes.CDLL, found: tuple[Nearest, Float32], begin: Points, *, anew: bool) -> Points:
    """(N, 2): the map for the neighbours that `nearest` has found, from the map `begin` on.

    `anew`: `begin` is a rough draft. Else it is the map of another moment, and little moves. The same goes in, the same comes out.
    """
    points = np.ascontiguousarray(begin, np.float32).copy()
    epochs, rate = (EPOCHS, ANEW) if anew else (EPOCHS_ON, ON)
    edges, weights = _likeness(library_, *found)
    often = weights > weights.max() / epochs  # the others would not be pulled once
    edges, weights = np.ascontiguousarray(edges[often]), np.ascontiguousarray(weights[often])
    sizes = ctypes.c_long(len(weights)), ctypes.c_long(epochs), ctypes.c_float(rate), ctypes.c_uint64(SEED)
    if library_.arrange(_pointer(points), ctypes.c_long(len(points)), _pointer(edges), _pointer(weights), *sizes):
        raise MemoryError("not enough memory to arrange the map")
    return points


def kept(there: Nearest, here: Nearest) -> float:
    """The share of each point's nearest `there` that are among its nearest `here`, on average; in [0, 1].

    >>> kept(np.array([[1, 2], [0, 2], [1, 0]], np.int32), np.array([[2, 1], [2, 0], [0, 1]], np.int32))
    1.0
    """
    return float((there[:, :, None] == here[:, None, :]).any(-1).mean())


def _likeness(library_: ctypes.CDLL, index: Nearest, distance: Float32) -> tuple[Nearest, Float32]:
    """Pairs (m, 2) and how alike they are (m,): a or b or both is sure of the other, a + b - ab (UMAP, section 3.1)."""
    count, k = index.shape
    sure = np.empty((count, k), np.float32)
    library_.memberships(_pointer(distance), ctypes.c_long(count), ctypes.c_long(k), _pointer(sure))
    own, other = np.repeat(np.arange(count, dtype=np.int64), k), index.ravel().astype(np.int64)
    pairs, place = np.unique(np.concatenate([own * count + other, other * count + own]), return_inverse=True)
    ours, theirs = np.zeros(len(pairs), np.float32), np.zeros(len(pairs), np.float32)
    ours[place[: count * k]], theirs[place[count * k :]] = sure.ravel(), sure.ravel()
    edges = np.stack([pairs // count, pairs % count], 1).astype(np.int32)
    return edges, ours + theirs - ours * theirs


def _pointer(array: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)

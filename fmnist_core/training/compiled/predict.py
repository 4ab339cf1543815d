"""What given weights of `Net` make of many images, without torch: in C where it is compiled, else in NumPy.

    logits = predict(weights, images)                        # (N, 28, 28) uint8 -> (N, 10) float32
    logits, hidden = activations(weights, images)            # and the hidden layer, (N, 50)

Both ways agree with PyTorch to float32's rounding, and give the same class wherever the two best logits are further apart
than that. In C a picture's bits depend neither on the pictures beside it nor on the number of threads.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import MEAN, STD
from fmnist_core.training.compiled import library
from fmnist_core.training.compiled.one_thread import one_thread

log = logging.getLogger(__name__)

Float32 = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Weights = Mapping[str, Float32]

NAMES = tuple(f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc1", "fc2") for kind in ("weight", "bias"))
LEVELS: Float32 = np.arange(256, dtype=np.float32) / np.float32(255)
"""(256,) float32: what the network sees for each grey level; standardised, below, when it was trained so."""
STANDARDISED: Float32 = (LEVELS - np.float32(MEAN)) / np.float32(STD)
WINDOWS = 25
"""Values of a channel of the second convolution after its pool: 5 x 5."""
TOGETHER = 32
"""Images that NumPy computes in one go: what they need stays in a processor's cache."""


def predict(
    weights: Weights,
    images: Images,
    *,
    standardise: bool = False,
    flip: bool = False,
    threads: int | None = None,
) -> Float32:
    """The logits, (N, 10) float32, of images, (N, 28, 28) uint8.

    `weights`: of `Net` in any width: conv1.weight (channels, 1, 3, 3) to fc2.bias (10,), float32. `standardise` and `flip`
    as in the run's config (`flip_test`): the mean over each picture and its mirror image. `threads`: one for each
    core by default. Raises ValueError where shapes or types do not fit, and names what does not.
    """
    logits, _hidden = activations(weights, images, standardise=standardise, threads=threads)
    if flip:
        mirrored, _hidden = activations(weights, images[:, :, ::-1], standardise=standardise, threads=threads)
        logits = (logits + mirrored) * np.float32(0.5)
    return logits


def activations(
    weights: Weights, images: Images, *, standardise: bool = False, threads: int | None = None
) -> tuple[Float32, Float32]:
    """The logits, (N, 10), and the hidden layer after its ReLU, (N, hidden units); both float32. Otherwise as `predict`."""
    check(weights, images)
    levels = STANDARDISED if standardise else LEVELS
    if found := compiled():
        return with_library(found, weights, images, levels, threads or cores())
    return with_numpy(weights, images, levels)


def compiled() -> ctypes.CDLL | None:
    """The compiled predictions, where they are there for this machine. Never compiles."""
    if not (path := library.find()):
        return None
    try:
        return library.load(path)
    except library.NotCompiled:
        log.exception("predictions go NumPy's way")
        return None


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check(weights: Weights, images: Images) -> None:
    """Raises ValueError where these are no weights of `Net`, or no images."""
    if images.ndim != 3 or images.shape[1:] != (28, 28) or images.dtype != np.uint8:
        raise ValueError(f"images must be (N, 28, 28) uint8, got {images.shape} {images.dtype}")
    if missing := [name for name in NAMES if name not in weights]:
        raise ValueError(f"{missing[0]} is missing: these are no weights of the tutorial's network")
    first, second, hidden = (len(weights[f"{layer}.bias"]) for layer in ("conv1", "conv2", "fc1"))
    shapes = (
        (first, 1, 3, 3),
        (first,),
        (second, first, 3, 3),
        (second,),
        (hidden, 25 * second),
        (hidden,),
        (10, hidden),
        (10,),
    )
    for name, shape in zip(NAMES, shapes, strict=True):
        if weights[name].shape != shape or weights[name].dtype != np.float32:
            raise ValueError(f"{name} must be {shape} float32, got {weights[name].shape} {weights[name].dtype}")


def with_library(
    library_: ctypes.CDLL, weights: Weights, images: Images, levels: Float32, threads: int = 1
) -> tuple[Float32, Float32]:
    """`activations` in C. `levels`: (256,) float32."""
    images = np.ascontiguousarray(images)
    rows = [weights[name].transpose(0, 2, 3, 1) if weights[name].ndim == 4 else weights[name] for name in NAMES]
    rows = [np.ascontiguousarray(row) for row in rows]  # convolutions as (out, y, x, in)
    logits = np.empty((len(images), 10), np.float32)
    hidden = np.empty((len(images), len(weights["fc1.bias"])), np.float32)
    job = library.Job(
        channels1=len(weights["conv1.bias"]),
        channels2=len(weights["conv2.bias"]),
        hidden=hidden.shape[1],
        images=len(images),
        threads=threads,
        pixels=images.ctypes.data,
        levels=levels.ctypes.data,
        parameters=(ctypes.c_void_p * 8)(*(row.ctypes.data for row in rows)),
    )
    pointers = (ctypes.c_void_p(array.ctypes.data) for array in (logits, hidden))
    if library_.predict(ctypes.byref(job), *pointers):
        raise MemoryError("not enough memory to look at the images")
    return logits, hidden


def with_numpy(weights: Weights, images: Images, levels: Float32) -> tuple[Float32, Float32]:
    """`activations` where nothing is compiled: three times slower. `levels`: (256,) float32."""
    with one_thread():
        parts = [_forward(weights, levels[images[n : n + TOGETHER]]) for n in range(0, len(images), TOGETHER)]
    empty = np.empty((0, 10), np.float32), np.empty((0, len(weights["fc1.bias"])), np.float32)
    logits, hidden = (np.concatenate(arrays) for arrays in zip(empty, *parts, strict=True))
    return logits, hidden


def pooled_with_numpy(weights: Weights, images: Images, levels: Float32) -> Float32:
    """(N, features) float32: what the convolutions and pools make of the images, as the first linear layer reads it."""
    with one_thread():
        parts = [_pooled(weights, levels[images[n : n + TOGETHER]]).T for n in range(0, len(images), TOGETHER)]
    return np.concatenate([np.empty((0, weights["fc1.weight"].shape[1]), np.float32), *parts])


def _pooled(weights: Weights, pictures: Float32) -> Float32:
    """`pictures`: (n, 28, 28), as the network sees them. Images are the last axis on the way: NumPy is at its quickest so."""
    x = np.ascontiguousarray(pictures.transpose(1, 2, 0))[None]  # (1, 28, 28, n)
    x = _convolve_and_pool(x, weights["conv1.weight"], weights["conv1.bias"])  # (10, 13, 13, n)
    x = _convolve_and_pool(x, weights["conv2.weight"], weights["conv2.bias"])  # (20, 5, 5, n)
    return x.reshape(-1, x.shape[-1])  # (500, n), as torch flattens


def _forward(weights: Weights, pictures: Float32) -> tuple[Float32, Float32]:
    x = _pooled(weights, pictures)
    hidden = np.maximum(weights["fc1.weight"] @ x + weights["fc1.bias"][:, None], np.float32(0))  # (50, n)
    logits = weights["fc2.weight"] @ hidden + weights["fc2.bias"][:, None]  # (10, n)
    return logits.T, hidden.T


def _convolve_and_pool(x: Float32, weight: Float32, bias: Float32) -> Float32:
    """A 3x3 convolution, ReLU and 2x2 max-pooling: (in, side, side, n) to (out, (side - 2) // 2, the same, n)."""
    side, n = (x.shape[1] - 2) // 2 * 2, x.shape[-1]  # pooling leaves an odd row and column out
    seen = np.empty((len(x), 3, 3, side, side, n), np.float32)
    for i, j in np.ndindex(3, 3):
        seen[:, i, j] = x[:, i : i + side, j : j + side]
    sums = (weight.reshape(len(bias), -1) @ seen.reshape(-1, side * side * n)).reshape(-1, side, side, n)
    larger = np.maximum(sums[:, ::2], sums[:, 1::2])
    pooled = np.maximum(larger[:, :, ::2], larger[:, :, 1::2]) + bias[:, None, None, None]
    positive: Float32 = np.maximum(pooled, np.float32(0))
    return positive

"""The same pictures a little different: moved, turned, scaled, darker, with noise. NumPy only.

For the curves of one picture ("what would have to change?") and for the accuracy of a network on changed test pictures
(Hendrycks and Dietterich, 2019, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Kind = Literal["shift", "turn", "scale", "brightness", "thickness", "noise", "blur", "invert"]
SIDE = 28
CHUNK = 1_000
DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Right, down, left, up."""


@dataclass(frozen=True)
class Change:
    """One way of changing pictures, by more or less."""

    label: str
    unit: str
    neutral: float
    """The amount that changes nothing."""
    amounts: tuple[float, ...]
    """For the curves of one picture, ascending; among them `neutral`. Empty: no curve."""
    strengths: tuple[float, ...]
    """For the test set, ever stronger."""
    apply: Callable[[Images, float], Images]
    """(N, 28, 28) uint8 changed by an amount."""


def shifted(images: Images, right: float, down: float = 0) -> Images:
    """Moved by whole pixels; what comes in is black.

    >>> image = np.arange(784).reshape(1, 28, 28).astype(np.uint8)
    >>> bool((shifted(image, 2)[:, :, 2:] == image[:, :, :-2]).all())
    True
    """
    across, along = round(right), round(down)
    out = np.zeros_like(images)
    if abs(across) >= SIDE or abs(along) >= SIDE:
        return out
    to = slice(max(0, along), SIDE + min(0, along)), slice(max(0, across), SIDE + min(0, across))
    source = slice(max(0, -along), SIDE + min(0, -along)), slice(max(0, -across), SIDE + min(0, -across))
    out[:, to[0], to[1]] = images[:, source[0], source[1]]
    return out


def turned(images: Images, degrees: float) -> Images:
    """Turned counterclockwise about the middle, between pixels by bilinear interpolation."""
    angle = np.deg2rad(degrees)
    return _mapped(images, np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]))


def scaled(images: Images, factor: float) -> Images:
    """Larger or smaller about the middle, between pixels by bilinear interpolation."""
    if factor <= 0:
        raise ValueError(f"factor must be above 0, got {factor}")
    return _mapped(images, np.eye(2) / factor)


def _mapped(images: Images, matrix: npt.NDArray[np.float64]) -> Images:
    """Each pixel from where `matrix` leads, (row, column) counted from the middle."""
    place = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE), indexing="ij")).reshape(2, -1) - (SIDE - 1) / 2
    row, column = matrix @ place + (SIDE - 1) / 2  # (784,) each
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    down, right = (row - top).astype(np.float32), (column - left).astype(np.float32)
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1))).reshape(len(images), -1)
    inside = [np.clip(lines + 1, 0, SIDE + 1) for lines in (top, top + 1, left, left + 1)]
    out = np.empty((len(images), SIDE * SIDE), np.float32)
    corners = (
        (inside[0], inside[2], (1 - down) * (1 - right)),
        (inside[0], inside[3], (1 - down) * right),
        (inside[1], inside[2], down * (1 - right)),
        (inside[1], inside[3], down * right),
    )
    for start in range(0, len(images), CHUNK):
        part = padded[start : start + CHUNK]
        out[start : start + CHUNK] = sum(
            part[:, rows * (SIDE + 2) + columns] * share for rows, columns, share in corners
        )
    return np.rint(out).reshape(images.shape).astype(np.uint8)


def brightened(images: Images, factor: float) -> Images:
    """Each pixel times `factor`, at most 255."""
    bright: Images = np.minimum(np.rint(images * np.float32(factor)), 255).astype(np.uint8)
    return bright


def thickened(images: Images, pixels: float) -> Images:
    """Grown by whole pixels in all directions (gray dilation), or shrunk where negative (erosion)."""
    out = images
    pick = np.maximum if pixels > 0 else np.minimum
    for _ in range(abs(round(pixels))):
        padded = np.pad(out, ((0, 0), (1, 1), (1, 1)), mode="edge")
        rows = pick(pick(padded[:, :-2], padded[:, 1:-1]), padded[:, 2:])
        out = pick(pick(rows[:, :, :-2], rows[:, :, 1:-1]), rows[:, :, 2:])
    return out


def noisy(images: Images, deviation: float) -> Images:
    """Gaussian noise with this standard deviation, in gray levels; the same noise each time."""
    random = np.random.default_rng(0)
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK].astype(np.float32)
        part += random.normal(0, deviation, part.shape).astype(np.float32)
        out[start : start + CHUNK] = np.clip(np.rint(part), 0, 255)
    return out


def blurred(images: Images, deviation: float) -> Images:
    """Gaussian blur with this standard deviation, in pixels; black beyond the edge."""
    reach = max(1, int(np.ceil(3 * deviation)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-6)) ** 2).astype(np.float32)
    weights /= weights.sum()
    band = np.zeros((SIDE, SIDE), np.float32)
    for offset, weight in zip(range(-reach, reach + 1), weights, strict=True):
        band += weight * np.eye(SIDE, k=offset, dtype=np.float32)
    out = np.empty_like(images)
    for start in range(0, len(images), CHUNK):
        out[start : start + CHUNK] = np.rint(band @ images[start : start + CHUNK].astype(np.float32) @ band)
    return out


def inverted(images: Images, share: float) -> Images:
    """From 0, as it is, to 1, the negative."""
    return np.rint(images * np.float32(1 - share) + (255 - images) * np.float32(share)).astype(np.uint8)


def _in_turn(change: Callable[[Images, float], Images]) -> Callable[[Images, float], Images]:
    """Every second picture the other way."""

    def both(images: Images, amount: float) -> Images:
        out = np.empty_like(images)
        out[::2], out[1::2] = change(images[::2], amount), change(images[1::2], -amount)
        return out

    return both


def _shifted_in_turn(images: Images, pixels: float) -> Images:
    """Right, down, left, up, and again."""
    out = np.empty_like(images)
    for n, (down, right) in enumerate(DIRECTIONS):
        out[n::4] = shifted(images[n::4], right * pixels, down * pixels)
    return out


def _steps(low: float, high: float, count: int) -> tuple[float, ...]:
    return tuple(np.linspace(low, high, count).round(6).tolist())


CHANGES: dict[Kind, Change] = {
    "shift": Change("Shifted", "pixels", 0, _steps(-8, 8, 17), (1, 2, 3, 4), _shifted_in_turn),
    "turn": Change("Turned", "degrees", 0, _steps(-90, 90, 37), (5, 10, 15, 30), _in_turn(turned)),
    "scale": Change("Scaled", "times", 1, _steps(0.4, 1.6, 25), (0.9, 0.8, 0.7, 0.5), scaled),
    "brightness": Change("Darker", "times", 1, _steps(0, 2, 21), (0.8, 0.6, 0.4, 0.2), brightened),
    "thickness": Change("Thicker", "pixels", 0, _steps(-3, 3, 7), (), thickened),
    "noise": Change("Noise", "gray levels", 0, (), (10, 25, 50, 80), noisy),
    "blur": Change("Blurred", "pixels", 0, (), (0.5, 1.0, 1.5, 2.5), blurred),
    "invert": Change("Inverted", "share", 0, (), (0.1, 0.25, 0.75, 1.0), inverted),
}
"""What is tried. Directions alternate from picture to picture in the test set; a single picture moves right and turns left."""

CURVES: dict[Kind, Callable[[Images, float], Images]] = {
    "shift": shifted,
    "turn": turned,
    "scale": scaled,
    "brightness": brightened,
    "thickness": thickened,
}


def family(image: npt.NDArray[np.uint8], kind: Kind) -> Images:
    """One picture (28, 28) changed by each of the amounts of `CHANGES[kind]`: (amounts, 28, 28) uint8."""
    change = CURVES[kind]
    return np.concatenate([change(image[None], amount) for amount in CHANGES[kind].amounts])

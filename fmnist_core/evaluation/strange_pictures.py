"""Pictures that are none of the ten classes, or garments as the data set never shows them: to measure the flag with.

Two lists. By `CHOSEN_BY` the two scores behind the flag were picked among many; on `HELD_OUT` they had never been tried, so
those alone say how well it works. Every kind is made here, from test pictures or from nothing; all light on black, (N, 28, 28)
uint8. NumPy and Pillow only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from fmnist_core.evaluation import robustness

Images = npt.NDArray[np.uint8]
Make = Callable[[Images, np.random.Generator], Images]
SIDE = 28
LARGE = 112
"""Pixels at which things are drawn, before they are made small."""


def _small(image: Image.Image) -> Images:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def _drawn(count: int, draw: Callable[[ImageDraw.ImageDraw], None]) -> Images:
    """`count` pictures, each drawn on a large black one."""
    out = []
    for _ in range(count):
        canvas = Image.new("L", (LARGE, LARGE))
        draw(ImageDraw.Draw(canvas))
        out.append(_small(canvas))
    return np.stack(out)


def signs(alphabet: str) -> Make:
    """Printed characters of `alphabet`, as large as they fit, a little turned."""

    def make(images: Images, random: np.random.Generator) -> Images:
        out = []
        for _ in images:
            canvas = Image.new("L", (2 * LARGE, 2 * LARGE))
            font = ImageFont.load_default(size=LARGE)
            sign = alphabet[random.integers(len(alphabet))]
            stroke = int(random.integers(0, 5))
            ImageDraw.Draw(canvas).text((LARGE, LARGE), sign, 255, font, "mm", stroke_width=stroke, stroke_fill=255)
            canvas = canvas.rotate(float(random.uniform(-10, 10)), Image.Resampling.BILINEAR)
            part = canvas.crop(canvas.getbbox())
            scale = SIDE / max(part.size)
            size = max(1, round(part.width * scale)), max(1, round(part.height * scale))
            small = Image.new("L", (SIDE, SIDE))
            small.paste(part.resize(size, Image.Resampling.BOX), ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
            out.append(np.asarray(small))
        return np.stack(out)

    return make


def shapes(images: Images, random: np.random.Generator) -> Images:
    """Filled discs, triangles, stars and rectangles."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        middle, radius, shade = LARGE / 2, float(random.uniform(25, 56)), int(random.integers(120, 256))
        kind, turn = int(random.integers(4)), float(random.uniform(0, math.tau))
        corners = {0: 60, 1: 3, 2: 10, 3: 4}[kind]
        points = []
        for n in range(corners):
            reach = radius * (0.45 if kind == 2 and n % 2 else 1)
            points.append(
                (
                    middle + reach * math.cos(turn + math.tau * n / corners),
                    middle + reach * math.sin(turn + math.tau * n / corners),
                )
            )
        pen.polygon(points, fill=shade)

    return _drawn(len(images), draw)


def scribbles(images: Images, random: np.random.Generator) -> Images:
    """One long line to and fro, as somebody tries out a pen."""

    def draw(pen: ImageDraw.ImageDraw) -> None:
        count = int(random.integers(4, 12))
        points = [tuple(point) for point in random.uniform(6, LARGE - 6, (count, 2))]
        pen.line(points, fill=255, width=int(random.integers(5, 14)), joint="curve")

    return _drawn(len(images), draw)


def stripes(images: Images, random: np.random.Generator) -> Images:
    """Waves of one direction and length, over the whole picture."""
    down, across = np.mgrid[:SIDE, :SIDE]
    out = []
    for _ in images:
        angle, length, phase = random.uniform(0, math.pi), random.uniform(3, 14), random.uniform(0, math.tau)
        wave = np.sin((down * math.sin(angle) + across * math.cos(angle)) * math.tau / length + phase)
        out.append(np.rint((wave + 1) * 127.5))
    return np.stack(out).astype(np.uint8)


def gradients(images: Images, random: np.random.Generator) -> Images:
    """From dark to light, in any direction."""
    down, across = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    angles = random.uniform(0, math.tau, len(images))
    ramps = np.stack([down * math.sin(angle) + across * math.cos(angle) for angle in angles])
    return np.rint(np.clip((ramps + 1.4) / 2.8, 0, 1) * 255).astype(np.uint8)


def chimeras(images: Images, random: np.random.Generator) -> Images:
    """The upper half of one garment over the lower half of another."""
    other = images[random.permutation(len(images))]
    return np.concatenate([images[:, : SIDE // 2], other[:, SIDE // 2 :]], axis=1)


def doubles(images: Images, random: np.random.Generator) -> Images:
    """Two garments seen through each other."""
    other = images[random.permutation(len(images))]
    return ((images.astype(np.uint16) + other) // 2).astype(np.uint8)


def pairs(images: Images, random: np.random.Generator) -> Images:
    """Two garments side by side, each half as large."""
    small = images.reshape(len(images), 14, 2, 14, 2).mean((2, 4)).astype(np.uint8)
    out = np.zeros_like(images)
    out[:, 7:21, :14], out[:, 7:21, 14:] = small, small[random.permutation(len(images))]
    return out


def coarse(images: Images, _random: np.random.Generator) -> Images:
    """In 7 x 7 squares of one gray each."""
    squares: Images = images.reshape(len(images), 7, 4, 7, 4).mean((2, 4)).astype(np.uint8)
    return squares.repeat(4, axis=1).repeat(4, axis=2)


def outlines(images: Images, _random: np.random.Generator) -> Images:
    """Only where brightness changes."""
    found = [np.asarray(Image.fromarray(image).filter(ImageFilter.FIND_EDGES)) for image in images]
    return np.stack(found)


def uniform_noise(images: Images, random: np.random.Generator) -> Images:
    """Each pixel anything."""
    return random.integers(0, 256, images.shape, np.uint8)


def soft_noise(images: Images, random: np.random.Generator) -> Images:
    """Clouds: noise, blurred, from black to white."""
    noise = robustness.blurred(random.integers(0, 256, images.shape, np.uint8), 2.0).astype(np.float32)
    low, high = noise.min((1, 2), keepdims=True), noise.max((1, 2), keepdims=True)
    spread: Images = np.rint((noise - low) * 255 / np.maximum(high - low, 1)).astype(np.uint8)
    return spread


def shuffled(images: Images, random: np.random.Generator) -> Images:
    """A garment's pixels in any order."""
    return random.permuted(images.reshape(len(images), -1), axis=1).reshape(images.shape)


CHOSEN_BY: dict[str, Make] = {
    "noise": uniform_noise,
    "clouds": soft_noise,
    "pixels shuffled": shuffled,
    "inverted": lambda images, _random: 255 - images,
    "turned by 90°": lambda images, _random: np.rot90(images, 1, (1, 2)).copy(),
    "turned by 30°": lambda images, _random: robustness.turned(images, 30),
    "upside down": lambda images, _random: images[:, ::-1].copy(),
    "moved by 5 pixels": lambda images, _random: robustness.CHANGES["shift"].apply(images, 5),
    "half as large": lambda images, _random: robustness.scaled(images, 0.5),
    "with noise": lambda images, _random: robustness.noisy(images, 50),
    "black and white only": lambda images, _random: ((images > 60) * 255).astype(np.uint8),
    "on gray": lambda images, _random: np.maximum(images, 60),
}
"""Kinds on which the scores behind the flag were compared with others."""

HELD_OUT: dict[str, Make] = {
    "digits, printed": signs("0123456789"),
    "letters, printed": signs("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
    "shapes": shapes,
    "scribbles": scribbles,
    "stripes": stripes,
    "gradients": gradients,
    "two halves": chimeras,
    "two through each other": doubles,
    "two side by side": pairs,
    "7 x 7 squares": coarse,
    "outlines": outlines,
    "turned by 45°": lambda images, _random: robustness.turned(images, 45),
    "blurred": lambda images, _random: robustness.blurred(images, 2.5),
    "half as bright": lambda images, _random: robustness.brightened(images, 0.5),
}
"""Kinds that played no part in choosing: what they say is what is to be expected of the next one."""

"""Pictures of the data set as "photographs", whose right answer is known: to measure the way back.

No photographs of garments with labels come with this program. These have what real ones have: many pixels, colour, a
background that is light and uneven, noise, a garment somewhere in the picture and not quite upright, and the losses of JPEG.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

WIDTH, HEIGHT = 600, 800
MOST_TURNED = 15.0
"""Degrees, to either side."""


def as_photo(picture: npt.NDArray[np.uint8], random: np.random.Generator, *, turned: float = MOST_TURNED) -> bytes:
    """A JPEG of 600 x 800 pixels that shows the picture (28, 28) uint8 as a dark garment on a light background.

    The garment is 200 to 420 pixels long, of any dark colour, anywhere in the picture, turned by up to `turned` degrees.
    """
    side = int(random.integers(200, 420))
    ink = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
    room = int(side * 1.3)  # so that turning cuts nothing off
    canvas = Image.new("L", (room, room))
    canvas.paste(ink, ((room - side) // 2, (room - side) // 2))
    canvas = canvas.rotate(float(random.uniform(-turned, turned)), Image.Resampling.BICUBIC)
    whole = Image.new("L", (WIDTH, HEIGHT))
    whole.paste(canvas, (int(random.integers(0, WIDTH - room + 1)), int(random.integers(0, HEIGHT - room + 1))))
    share = np.asarray(whole, np.float32)[:, :, None] / 255  # (800, 600, 1): 0 is background, 1 is full ink
    down, across = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j].astype(np.float32)
    tilt = random.uniform(-12, 12, 2)
    light = 1 + (tilt[0] * (down - 0.5) + tilt[1] * (across - 0.5))[:, :, None] / 255  # brighter to one side
    paper = random.uniform(205, 245) + random.uniform(-10, 10, 3)
    cloth = random.uniform(0, 110, 3)
    colours = (paper + (cloth - paper) * share) * light + random.normal(0, 2, (HEIGHT, WIDTH, 1))
    packed = io.BytesIO()
    quality = int(random.integers(70, 95))
    Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=quality)
    return packed.getvalue()

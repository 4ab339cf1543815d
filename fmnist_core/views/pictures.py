"""Pictures as the screen takes them: many in one PNG; one as the numbers that it is, in three scales."""

from __future__ import annotations

import base64
import io
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from fmnist_core.data.dataset import MEAN, STD

SPRITE_COLUMNS = 10
"""Pictures beside each other in a sprite."""


def sprite(images: npt.NDArray[np.uint8]) -> bytes:
    r"""The images (N, H, W) uint8 as one 8-bit gray PNG, `SPRITE_COLUMNS` in a row, 0 black, 255 white, no gap.

    The last row is filled up with black; no image at all gives one black row.

    >>> sprite(np.zeros((12, 28, 28), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(f"images must be (N, H, W) uint8, got {images.shape} {images.dtype}")
    count, height, width = images.shape
    rows = max(1, -(-count // SPRITE_COLUMNS))
    tiles = np.zeros((rows * SPRITE_COLUMNS, height, width), np.uint8)
    tiles[:count] = images
    sheet = tiles.reshape(rows, SPRITE_COLUMNS, height, width).swapaxes(1, 2).reshape(rows * height, -1)
    packed = io.BytesIO()
    Image.fromarray(sheet).save(packed, "PNG", compress_level=1)  # a third of the time for a tenth more bytes
    return packed.getvalue()


Scale = Literal["tensor", "raw", "standardised"]
SCALES: tuple[Scale, ...] = get_args(Scale)


def scales(image: npt.NDArray[np.uint8]) -> dict[Scale, npt.NDArray[np.float32]]:
    """The pixels as torchvision's `ToTensor` gives them, as the file has them, and as `Normalize` makes them.

    Each has the shape of `image` and is float32. The tutorial trains on the first.

    >>> [round(float(values.max()), 2) for values in scales(np.full((28, 28), 255, np.uint8)).values()]
    [1.0, 255.0, 2.02]
    """
    raw = image.astype(np.float32)
    tensor = raw / np.float32(255)
    return {"tensor": tensor, "raw": raw, "standardised": (tensor - np.float32(MEAN)) / np.float32(STD)}


def signed_picture(values: npt.NDArray[np.floating]) -> str:
    """Numbers (H, W) as a PNG in a data address: 0 black, above it ever brighter blue, below it orange.

    >>> signed_picture(np.zeros((2, 2)))[:22]
    'data:image/png;base64,'
    """
    strength = np.sqrt(np.abs(values) / max(float(np.abs(values).max()), 1e-12))  # so that small ones are seen
    colours = np.where(values[:, :, None] >= 0, (110, 165, 255), (255, 150, 60))
    packed = io.BytesIO()
    Image.fromarray(np.rint(strength[:, :, None] * colours).astype(np.uint8)).save(packed, "PNG")
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"

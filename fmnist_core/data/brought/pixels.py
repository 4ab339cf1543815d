"""A 28 x 28 picture as text, short enough for an address."""

from __future__ import annotations

import base64
import binascii
import zlib

import numpy as np
import numpy.typing as npt

PIXELS = 28 * 28
LONGEST = 1_400
"""Characters of the longest text."""


def as_text(picture: npt.NDArray[np.uint8]) -> str:
    """The picture (28, 28) uint8, compressed, in letters that an address may hold.

    >>> as_text(np.zeros((28, 28), np.uint8))
    'eNpjYBgFo2AUwAAAAxAAAQ'
    """
    packed = zlib.compress(np.ascontiguousarray(picture, np.uint8).tobytes(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def from_text(text: str) -> npt.NDArray[np.uint8]:
    """The picture (28, 28) uint8 that `as_text` made this of. Raises ValueError where it is none; unpacks no more than one."""
    try:
        packed = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(packed, PIXELS + 1)
    except (UnicodeEncodeError, binascii.Error, zlib.error):
        raise ValueError(f"{text[:40]!r} is no picture") from None
    if len(content) != PIXELS:
        raise ValueError(f"{text[:40]!r} holds {len(content)} pixels or more instead of {PIXELS}")
    if not unpacker.eof:
        raise ValueError(f"{text[:40]!r} ends before the picture does")
    return np.frombuffer(content, np.uint8).reshape(28, 28)


def from_bytes(text: str) -> npt.NDArray[np.uint8]:
    """The picture (28, 28) uint8 from its 784 bytes in base64 with "-" and "_", as a browser sends it. Raises ValueError."""
    try:
        content = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("no base64") from None
    if len(content) != PIXELS:
        raise ValueError(f"need {PIXELS} bytes, got {len(content)}")
    return np.frombuffer(content, np.uint8).reshape(28, 28)

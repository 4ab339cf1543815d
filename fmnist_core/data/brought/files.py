"""Files that people bring: opened only when it is safe, and made pixels of one kind whatever they were before.

Nothing is trusted, least of all the name. The size is read from the header before a single pixel is decoded. What
cannot be used is refused with a sentence that says why and what to do instead.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence, UnidentifiedImageError

MOST_BYTES = 10_000_000
"""A larger file is refused unread."""
MOST_PIXELS = 25_000_000
"""More in one picture is refused from its header: a few kB can unpack to gigabytes (a decompression bomb)."""
LEAST_SIDE = 8
"""Pixels. Smaller than this there is nothing left of a garment."""
MOST_LENGTH = 10
"""How many times as long as wide a picture may be."""
LONGEST_SIDE = 1024
"""Pixels kept of the longer side: 36 times what the network sees."""
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is opened at all; Pillow knows forty more, each a parser that a stranger could feed."""
READABLE = "JPEG, PNG, WebP, GIF, BMP or TIFF"

_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}
_TAG = 0x0112  # EXIF: Orientation


class PictureRefused(ValueError):
    """A file that is not used. The message names it, says why, and what to do; it is plain text for a person."""


@dataclass(frozen=True, eq=False)
class Brought:
    """A picture that somebody brought, decoded."""

    name: str
    """What its file was called: text to show, never a path."""
    format: str
    """One of `FORMATS`."""
    width: int
    """Pixels in the file, before `orientation`."""
    height: int
    """Pixels in the file, before `orientation`."""
    pixels: npt.NDArray[np.uint8]
    """(H, W, 3) uint8, RGB; the longer side at most `LONGEST_SIDE`. Not yet turned."""
    alpha: npt.NDArray[np.uint8] | None
    """(H, W) uint8, 0 is transparent; None where everything is opaque. Transparent pixels are white in `pixels`."""
    orientation: int
    """EXIF: 1 is upright, 2 to 8 have to be turned or mirrored."""
    notes: tuple[str, ...]
    """What was done to make it 8 bit RGB, each a sentence."""


def decode(content: bytes, name: str = "picture") -> Brought:
    """The picture in `content`. Raises PictureRefused with a sentence where there is none that can be used.

    Of an animation the first frame, of 16 bits the upper 8; CMYK, palettes and gray become RGB.
    """
    name = tidy_name(name)
    if not content:
        raise PictureRefused(f"{name} is empty: choose another file.")
    if len(content) > MOST_BYTES:
        raise PictureRefused(
            f"{name} has {len(content) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}: save a smaller copy of it."
        )
    if kind := _other_kind(content):
        raise PictureRefused(f"{name} {kind}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own about large pictures and broken metadata: ours are stricter
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _check_shape(image.width, image.height, name)
                return _decoded(image, name)
    except PictureRefused:
        raise
    except UnidentifiedImageError:
        raise PictureRefused(
            f"{name} is not a picture that can be read here: save it as {READABLE} and bring that."
        ) from None
    except Image.DecompressionBombError:
        raise PictureRefused(_too_many(name)) from None
    except Exception as error:  # a decoder fed with damaged bytes raises whatever it likes
        raise PictureRefused(
            f"{name} is damaged or ends too early, and cannot be read to its end: save or send it again."
        ) from error


def tidy_name(name: str) -> str:
    r"""A file's name as one short line of text, in quotes; it may hold anything, so it is only ever shown.

    >>> tidy_name("../../etc/pass\nwd")
    '“../../etc/pass wd”'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name[:400]).split()) or "picture"
    return f"“{line if len(line) <= 60 else line[:40] + '…' + line[-15:]}”"


def _other_kind(content: bytes) -> str:
    """What the file is where it is clearly no picture, as the rest of a sentence; else empty."""
    start = content[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start[:1] == b"<":
        return f"is an SVG: drawing instructions, not pixels. Export it as PNG and bring that ({READABLE} can be read)."
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head", b"<body")):
        return "is a web page, not a picture: save the picture itself and bring that."
    if content[4:8] == b"ftyp":
        kind = _BRANDS.get(content[8:12], "a film")
        if kind == "HEIC":
            return (
                "is HEIC, which cannot be read here: export it as JPEG, or let the phone take such pictures "
                "(iPhone: Settings, Camera, Formats, Most Compatible)."
            )
        return f"is {kind}, which cannot be read here: save it as {READABLE} and bring that."
    if content.startswith(b"%PDF"):
        return "is a PDF, not a picture: export the page as PNG and bring that."
    try:
        text = content[:4096].decode("utf-8", "strict" if len(content) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return ""
    if all(c.isprintable() or c in "\t\r\n" for c in text):
        return f"is text, not a picture: {READABLE} can be read."
    return ""


def _check_shape(width: int, height: int, name: str) -> None:
    if width * height > MOST_PIXELS:
        raise PictureRefused(_too_many(name, f" ({width:,} x {height:,})"))
    if min(width, height) < LEAST_SIDE:
        raise PictureRefused(
            f"{name} has {width} x {height} pixels: at least {LEAST_SIDE} on each side are needed to see anything."
        )
    if max(width, height) > MOST_LENGTH * min(width, height):
        raise PictureRefused(
            f"{name} is {width} x {height} pixels, more than {MOST_LENGTH} times as long as wide: cut out the garment first."
        )


def _too_many(name: str, size: str = "") -> str:
    return (
        f"{name} would have more than {MOST_PIXELS / 1e6:.0f} million pixels{size} once it is unpacked: "
        "it was not opened. Save a smaller copy of it."
    )


def _decoded(image: Image.Image, name: str) -> Brought:
    """All pixels of the first frame. Raises what Pillow raises for damaged files."""
    width, height, form = image.width, image.height, image.format or ""
    notes = []
    if form == "JPEG":
        image.draft(None, (LONGEST_SIDE, LONGEST_SIDE))  # a large JPEG is decoded at a half, a quarter, an eighth
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        image = next(iter(ImageSequence.Iterator(image)))
        notes.append(f"The first of {frames} frames.")
    orientation = _orientation(image)
    image.load()
    _check_shape(image.width, image.height, name)  # a decoder may find another size than the header had
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image, name)
        notes.append("More than 8 bits per pixel: scaled to 8.")
    has_alpha = image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info
    if image.mode not in ("RGB", "RGBA", "L", "LA"):
        words = {"P": "A palette", "CMYK": "CMYK, the colours of printing", "1": "Black and white only"}
        notes.append(f"{words.get(image.mode, image.mode)}: made RGB.")
    image = image.convert("RGBA" if has_alpha else "RGB")
    if max(image.size) > LONGEST_SIDE:
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BOX)
    alpha = None
    if has_alpha:
        alpha = np.asarray(image.getchannel("A"))
        paper = Image.new("RGB", image.size, "white")
        paper.paste(image, mask=image.getchannel("A"))
        image = paper
        alpha = None if alpha.min() == 255 else alpha
    return Brought(name, form, width, height, np.asarray(image), alpha, orientation, tuple(notes))


def _orientation(image: Image.Image) -> int:
    """EXIF's number, 1 to 8; 1 where there is none or it cannot be read."""
    try:
        found = image.getexif().get(_TAG, 1)
    except Exception:  # EXIF is a small file system written by cameras: whatever is wrong in it, the picture is there
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """16 bits, 32 bits and floating point as 8 bits: by the range of the format, or of the picture where it has none."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise PictureRefused(f"{name} holds pixels that are no numbers: save it again as 8 bit PNG.")
    if image.mode.startswith("I;16") or (image.mode == "I" and values.min() >= 0 and 255 < values.max() <= 65_535):
        values /= 257
    elif values.min() < 0 or values.max() > 255 or (image.mode == "F" and values.max() <= 1):
        spread = values.max() - values.min()
        values = (values - values.min()) * (255 / spread if spread else 0)
    return Image.fromarray(np.rint(values).astype(np.uint8))

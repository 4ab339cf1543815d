"""Files that people bring: each fault is made for real, and answered by a sentence or by the picture."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from fmnist_core.data.brought.files import LONGEST_SIDE, MOST_BYTES, PictureRefused, decode, tidy_name

RED = (200, 30, 40)


def packed(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def shoe(width: int = 40, height: int = 30) -> Image.Image:
    """Red to the left, white to the right: which way it lies can be seen."""
    image = Image.new("RGB", (width, height), "white")
    image.paste(RED, (0, 0, width // 2, height))
    return image


def png_that_says(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a size and whose data unpacks to far more than it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(50_000_000), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


REFUSED = {
    "empty": (b"", "is empty"),
    "text": (b"Dear shop,\nmy shoe is black.\n", "is text"),
    "long text": ("Où est ma chaussure ? ".encode() * 400, "is text"),
    "web page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "is a web page"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "an SVG"),
    "svg, no prologue": (b"<svg viewBox='0 0 9 9'><image href='http://example.com/x'/></svg>", "an SVG"),
    "pdf": (b"%PDF-1.7\n\x00\xff\xfe", "is a PDF"),
    "heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(200), "is HEIC"),
    "avif": (b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00" + bytes(200), "is AVIF"),
    "film": (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00" + bytes(200), "is a film"),
    "random bytes": (bytes(range(128, 256)) * 9, "is not a picture"),
    "too many bytes": (packed(shoe(), "PNG") + bytes(MOST_BYTES), "10.0 MB, more than 10"),
    "bomb": (png_that_says(30_000, 30_000), "million pixels"),
    "just too many pixels": (png_that_says(5_001, 5_000), "5,001 x 5,000"),
    "one pixel": (packed(Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels"),
    "a line": (packed(Image.new("RGB", (4_000, 3)), "PNG"), "4000 x 3 pixels"),
    "a strip": (packed(Image.new("RGB", (2_000, 100)), "PNG"), "more than 10 times"),
    "truncated png": (packed(shoe(400, 300), "PNG")[:-60], "damaged or ends too early"),
    "truncated jpeg": (packed(shoe(400, 300), "JPEG")[:-400], "damaged or ends too early"),
    "truncated webp": (packed(shoe(400, 300), "WEBP")[:-60], "damaged or ends too early"),
    "truncated gif": (packed(shoe(400, 300), "GIF")[:-200], "damaged or ends too early"),
    "not finite": (packed(Image.fromarray(np.full((20, 20), np.nan, np.float32)), "TIFF"), "no numbers"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused_with_a_sentence(fault: str):
    """What cannot be used is named, with the reason and without a word of the decoder's."""
    content, reason = REFUSED[fault]
    with pytest.raises(PictureRefused) as refusal:
        decode(content, "shoe.jpg")
    sentence = str(refusal.value)
    assert reason in sentence
    assert sentence.startswith("“shoe.jpg” ")
    assert sentence.endswith((".", ")."))
    assert "Error" not in sentence
    assert len(sentence) < 250


@pytest.mark.parametrize("fault", ["bomb", "just too many pixels"])
def test_a_bomb_is_never_unpacked(fault: str):
    """It is refused from its header: no memory for its pixels."""
    content = REFUSED[fault][0]
    tracemalloc.start()
    with pytest.raises(PictureRefused):
        decode(content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_every_truncation_and_every_flipped_byte():
    """Whatever is cut off or changed, the answer is the picture or a sentence, never another error."""
    random = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    for form, options in (("PNG", {}), ("JPEG", {"exif": exif}), ("GIF", {}), ("WEBP", {}), ("TIFF", {}), ("BMP", {})):
        whole = packed(shoe(), form, **options)
        damaged = [whole[:length] for length in range(1, len(whole), max(1, len(whole) // 40))]
        for _ in range(40):
            changed = bytearray(whole)
            changed[random.integers(len(whole))] = random.integers(256)
            damaged.append(bytes(changed))
        for content in damaged:
            with contextlib.suppress(PictureRefused):
                assert decode(content).pixels.dtype == np.uint8


READ = {
    "jpeg": (packed(shoe(), "JPEG", quality=95), 12),
    "png": (packed(shoe(), "PNG"), 0),
    "webp": (packed(shoe(), "WEBP", lossless=True), 0),
    "bmp": (packed(shoe(), "BMP"), 0),
    "tiff": (packed(shoe(), "TIFF"), 0),
    "palette": (packed(shoe().quantize(8), "PNG"), 2),
    "gif": (packed(shoe().quantize(8), "GIF"), 2),
    "cmyk": (packed(shoe().convert("CMYK"), "TIFF"), 2),
    "cmyk jpeg": (packed(shoe().convert("CMYK"), "JPEG", quality=95), 16),
    "alpha": (packed(shoe().convert("RGBA"), "PNG"), 0),
}


@pytest.mark.parametrize("kind", READ)
def test_every_kind_becomes_rgb(kind: str):
    """Palettes, CMYK and alpha are made the same 8 bit RGB."""
    content, tolerance = READ[kind]
    brought = decode(content)
    assert brought.pixels.shape == (30, 40, 3)
    assert brought.pixels.dtype == np.uint8
    assert np.abs(brought.pixels[15, 5].astype(int) - RED).max() <= tolerance
    assert brought.pixels[15, 35].min() >= 255 - tolerance
    assert brought.alpha is None


def test_sixteen_bits():
    """The upper 8 of 16 bits are kept, in gray; dark 16 bit pictures do not become black."""
    values = np.tile(np.linspace(0, 65_535, 40, dtype=np.uint16), (30, 1))
    for form in ("PNG", "TIFF"):
        brought = decode(packed(Image.fromarray(values), form))
        assert np.abs(brought.pixels[:, :, 0].astype(int) - values / 257).max() <= 1
        assert any("8 bits" in note for note in brought.notes)


def test_floating_point():
    """Numbers from 0 to 1 are spread over 0 to 255."""
    values = np.tile(np.linspace(0, 1, 40, dtype=np.float32), (30, 1))
    assert decode(packed(Image.fromarray(values), "TIFF")).pixels[0, [0, -1], 0].tolist() == [0, 255]


def test_transparent_is_background():
    """What is transparent becomes white, and is remembered."""
    image = shoe().convert("RGBA")
    image.putalpha(Image.fromarray(np.pad(np.full((10, 10), 255, np.uint8), ((10, 10), (5, 25)))))
    brought = decode(packed(image, "PNG"))
    assert brought.alpha is not None
    assert brought.alpha[15, 10] == 255
    assert brought.pixels[0, 0].tolist() == [255, 255, 255]
    assert brought.pixels[15, 10].tolist() == list(RED)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_animated(form: str):
    """Of an animation the first frame counts, and the page is told."""
    frames = [shoe(), Image.new("RGB", (40, 30), "blue")]
    lossless = {"lossless": True} if form == "WEBP" else {}
    brought = decode(packed(frames[0], form, save_all=True, append_images=frames[1:], **lossless))
    assert np.abs(brought.pixels[15, 5].astype(int) - RED).max() <= 2
    assert brought.notes[0] == "The first of 2 frames."


@pytest.mark.parametrize("number", range(1, 9))
def test_exif_orientation_is_kept(number: int):
    """All eight are read from JPEG; turning is a stage of its own."""
    exif = Image.Exif()
    exif[0x0112] = number
    assert decode(packed(shoe(), "JPEG", exif=exif)).orientation == number


def test_broken_exif_is_no_reason():
    """Whatever a camera wrote beside the picture, the picture is there."""
    for exif in (
        b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff",
        b"Exif\x00\x00",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff",
    ):
        assert decode(packed(shoe(), "JPEG", exif=exif)).orientation == 1
    exif = Image.Exif()
    exif[0x0112] = 99
    assert decode(packed(shoe(), "JPEG", exif=exif)).orientation == 1


def test_large_pictures_are_shrunk():
    """A camera's 12 million pixels become at most 1,024 on a side, in the same proportions."""
    brought = decode(packed(shoe(4_000, 3_000), "JPEG"))
    assert max(brought.pixels.shape) <= LONGEST_SIDE
    assert (brought.width, brought.height) == (4_000, 3_000)
    assert brought.pixels.shape[1] / brought.pixels.shape[0] == pytest.approx(4 / 3, rel=0.01)


@pytest.mark.parametrize("name", ["../../etc/passwd", "<b>x</b>.png", "a\x00b\nc.png", "x" * 5_000, "", "‮gnp.exe"])
def test_a_file_name_is_text(name: str):
    """It is shown on one short line, and never opened."""
    shown = tidy_name(name)
    assert len(shown) <= 62
    assert shown.isprintable()
    with pytest.raises(PictureRefused, match="is empty"):
        decode(b"", name)

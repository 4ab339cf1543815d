"""From a photograph to 28 x 28: each stage on pictures made for it, and the whole way against pictures that are known."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from fmnist_core.data import dataset
from fmnist_core.data.brought import stages
from fmnist_core.data.brought.files import decode
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.brought.photos import as_photo
from fmnist_core.data.brought.way import Choices, Way, prepare


@pytest.fixture(scope="module")
def likeness() -> Likeness:
    return Likeness.to(dataset.load("train").images)


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def boot(dark: tuple[int, ...] = (40, 20, 60), light: tuple[int, ...] = (230, 225, 220)) -> np.ndarray:
    """A boot that points left, 200 x 300 pixels: a shaft to the right and a foot below."""
    pixels = np.full((200, 300, 3), light, np.uint8)
    pixels[40:160, 170:240] = dark
    pixels[115:160, 80:240] = dark
    return pixels


def way(pixels: np.ndarray, likeness: Likeness, **choices: object) -> Way:
    return prepare(decode(png(pixels)), Choices(**choices), likeness)


@pytest.mark.parametrize("number", range(1, 9))
def test_upright_as_pillow_turns(number: int):
    """All eight orientations, with Pillow as the reference."""
    pixels = np.arange(24, dtype=np.uint8).reshape(4, 6)
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = number
    assert np.array_equal(stages.upright(pixels, number), np.asarray(ImageOps.exif_transpose(image)))


def test_gray_as_pillow():
    """Luminance is Pillow's, to rounding."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    expected = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    assert np.abs(stages.gray(pixels) - expected).max() <= 1


def test_connected_as_scipy():
    """Parts joined by edges or corners, with SciPy as the reference; also along a spiral, the longest way there is."""
    ndimage = pytest.importorskip("scipy.ndimage")
    random = np.random.default_rng(0)
    spiral = np.zeros((41, 41), bool)
    for ring in range(0, 20, 4):
        spiral[ring, ring : 41 - ring] = spiral[ring : 41 - ring, 40 - ring] = spiral[40 - ring, ring : 41 - ring] = (
            True
        )
        spiral[ring + 4 : 41 - ring, ring] = True
        spiral[ring + 4, ring : ring + 4] = True
    for mask in (spiral, *(random.random((30, 50)) < share for share in (0.05, 0.3, 0.5, 0.9)), np.zeros((3, 3), bool)):
        expected, count = ndimage.label(mask, np.ones((3, 3)))
        found = stages.connected(mask)
        assert found.max() == count
        pairs = {(a, b) for a, b in zip(expected.ravel().tolist(), found.ravel().tolist(), strict=True)}
        assert len(pairs) == count + 1 - mask.all()  # one to one


def test_background_may_be_uneven_and_hold_other_things(likeness: Likeness):
    """Light that falls off to one side is no garment; nor is a speck, nor a small thing beside it."""
    pixels = boot().astype(np.float32)
    pixels *= np.linspace(1.0, 0.8, 300)[None, :, None]
    pixels[5:9, 5:9] = 0
    pixels[180:190, 280:290] = 30
    found = way(pixels.astype(np.uint8), likeness, angle=0)
    reference = way(boot(), likeness, angle=0)
    assert np.abs(found.picture.astype(int) - reference.picture).mean() < 12


@pytest.mark.parametrize(("dark", "light"), [((40, 20, 60), (230, 225, 220)), ((220, 240, 250), (30, 60, 20))])
def test_light_on_dark_either_way(dark: tuple[int, ...], light: tuple[int, ...], likeness: Likeness):
    """A dark boot on white is negated, a light one on dark is not: both become light on black, and the reason says why."""
    found = way(boot(dark, light), likeness)
    assert found.decided.negate == (sum(dark) < sum(light))
    assert ("darker" if found.decided.negate else "lighter") in found.stages[4].said
    assert found.picture[0, 0] == 0
    assert found.picture.max() == 255
    assert found.picture[18:22, 10:20].min() > 150


def test_longest_side_is_28_and_centred(likeness: Likeness):
    """As in the data set: the garment touches two opposite edges, and is in the middle of the other two."""
    lit = way(boot(), likeness, angle=0).picture > 0
    left, top, right, bottom = stages.box(lit)
    assert (left, right) == (0, 28)
    assert abs(top - (28 - bottom)) <= 1


def test_shoes_are_made_to_point_left(likeness: Likeness):
    """Boots, sandals and sneakers of the test set, mirrored: nine of ten are mirrored back; of the others few are touched."""
    test = dataset.load("test")
    shoes = test.images[np.isin(test.labels, (5, 7, 9))][:200]
    others = test.images[~np.isin(test.labels, (5, 7, 9))][:200]

    def mirrored(pictures: np.ndarray) -> np.ndarray:
        return likeness.distance(pictures[:, :, ::-1]) < 0.9 * likeness.distance(pictures)

    assert mirrored(shoes[:, :, ::-1]).mean() > 0.9
    assert mirrored(shoes).mean() < 0.02
    assert mirrored(others).mean() < 0.1


def test_a_turned_trouser_is_set_straight(likeness: Likeness):
    """Turned by 12.5 degrees, it is turned back by about as much, without anybody saying so."""
    test = dataset.load("test")
    picture = test.images[test.labels == 1][3]
    ink = Image.fromarray(picture).resize((300, 300), Image.Resampling.BICUBIC).rotate(12.5, expand=True)
    found = prepare(decode(png(255 - np.asarray(ink))), Choices(), likeness)
    assert found.decided.angle == pytest.approx(-12.5, abs=2.5)
    assert np.corrcoef(found.picture.ravel(), picture.ravel())[0, 1] > 0.85


def test_what_was_decided_decides_the_same(likeness: Likeness):
    """The automatic choices, chosen by hand, give the same picture: adjusting begins where the program ended."""
    photo = decode(as_photo(dataset.load("test").images[7], np.random.default_rng(7)))
    first = prepare(photo, Choices(), likeness)
    again = prepare(photo, first.decided, likeness)
    assert np.array_equal(first.picture, again.picture)
    assert [stage.name for stage in first.stages] == [stage.name for stage in again.stages]
    other = prepare(photo, Choices(negate=not first.decided.negate, mirror=not first.decided.mirror), likeness)
    assert "as you chose" in other.stages[4].said
    assert "as you chose" in other.stages[-1].said
    assert not np.array_equal(first.picture, other.picture)


def test_blank_and_noise_end_somewhere(likeness: Likeness):
    """One colour is called blank; noise, black and white get a picture of the right form, never an error."""
    assert way(np.full((50, 60, 3), 137, np.uint8), likeness).is_blank
    assert not way(boot(), likeness).is_blank
    random = np.random.default_rng(0)
    for pixels in (random.integers(0, 256, (90, 61, 3), np.uint8), np.zeros((9, 88, 3), np.uint8), boot()[:90, :9]):
        found = way(pixels, likeness)
        assert found.picture.shape == (28, 28)
        assert all(stage.seen.shape == (28, 28) for stage in found.stages)


def test_transparent_background_is_believed(likeness: Likeness):
    """White on transparent: the file says where the garment is, its colour need not."""
    alpha = (boot()[:, :, 0] < 100).astype(np.uint8) * 255
    pixels = np.dstack([np.full((200, 300, 3), 90, np.uint8), alpha])
    found = way(pixels, likeness, angle=0)
    assert np.array_equal(found.picture > 0, way(boot(), likeness, angle=0).picture > 0)
    assert found.stages[3].said == "Transparent in the file."


@pytest.mark.parametrize("choices", [{"threshold": 2.0}, {"angle": 400.0}, {"crop": (0.5, 0, 0.4, 1)}])
def test_choices_that_cannot_be(choices: dict[str, object]):
    """Refused where they enter, with the value."""
    with pytest.raises(ValueError, match="must be"):
        Choices(**choices)


def test_photographs_come_back(likeness: Likeness):
    """Of made photographs the automatic way brings back at least 90 % of what a classifier recognises of the originals.

    The classifier knows no network: the nearest of 6,000 training pictures. `benchmarks/photos.py` does it with 1,000
    photographs and trained networks.
    """
    train, test = dataset.load("train"), dataset.load("test")
    labels = train.labels[np.linspace(0, 59_999, 6_000).astype(int)]
    chosen = np.random.default_rng(0).permutation(10_000)[:25]
    photos = [as_photo(test.images[index], np.random.default_rng(index)) for index in chosen]
    prepared = np.stack([prepare(decode(photo), Choices(), likeness).picture for photo in photos])
    squeezed = np.stack([stages.squeezed(decode(photo).pixels) for photo in photos])

    def right(pictures: np.ndarray) -> int:
        flat = pictures.reshape(len(pictures), -1).astype(np.float32) / 255
        nearest = (likeness.squares[:, None] - 2 * likeness.pictures @ flat.T).argmin(axis=0)
        return int((labels[nearest] == test.labels[chosen]).sum())

    assert right(prepared) >= 0.9 * right(test.images[chosen])
    assert right(255 - squeezed) < 0.5 * right(test.images[chosen])  # what those get who only squeeze and negate

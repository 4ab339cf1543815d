"""Pictures for the screen, against decoders and a framework that did not make them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fmnist_core.data import dataset
from fmnist_core.views import pictures, statistics


def _tiles(png: bytes, count: int) -> np.ndarray:
    """What a browser cuts out of the sprite: tile i is at column i % 10, row i // 10."""
    sheet = np.asarray(Image.open(io.BytesIO(png)))
    return np.array([sheet[i // 10 * 28 : i // 10 * 28 + 28, i % 10 * 28 : i % 10 * 28 + 28] for i in range(count)])


@pytest.mark.parametrize("count", [1, 9, 10, 11, 100])
def test_sprite_holds_every_pixel(count: int):
    """Cut apart again, a sprite gives the images it was made of, bit for bit."""
    images = dataset.load("test").images[:count]
    png = pictures.sprite(images)
    assert Image.open(io.BytesIO(png)).mode == "L"
    np.testing.assert_array_equal(_tiles(png, count), images)


def test_sprite_fills_up_with_black():
    """The places after the last image are black, not left-over memory."""
    png = pictures.sprite(np.full((11, 28, 28), 200, np.uint8))
    sheet = np.asarray(Image.open(io.BytesIO(png)))
    assert sheet.shape == (56, 280)
    assert (sheet[28:, 28:] == 0).all()


def test_sprite_of_nothing():
    """A filter that leaves no image still gives a picture that can be decoded."""
    png = pictures.sprite(np.zeros((0, 28, 28), np.uint8))
    assert np.asarray(Image.open(io.BytesIO(png))).shape == (28, 280)


@pytest.mark.parametrize("images", [np.zeros((28, 28), np.uint8), np.zeros((3, 28, 28), np.float32)])
def test_sprite_refuses_what_it_cannot_draw(images: np.ndarray):
    """One image without its axis, or values in [0, 1], would be drawn wrong: they are refused."""
    with pytest.raises(ValueError, match="uint8"):
        pictures.sprite(images)


def test_scales_are_torchvisions():
    """The three scales are the file's bytes, torchvision's `ToTensor` and its `Normalize`."""
    from torchvision.transforms import Normalize, ToTensor

    image = dataset.load("train").images[0]
    tensor = ToTensor()(image.copy())  # (1, 28, 28)
    shown = pictures.scales(image)
    assert list(shown) == list(pictures.SCALES)
    assert all(values.dtype == np.float32 for values in shown.values())
    np.testing.assert_array_equal(shown["raw"], image)
    np.testing.assert_array_equal(shown["tensor"], tensor[0].numpy())
    normalised = Normalize((dataset.MEAN,), (dataset.STD,))(tensor)[0].numpy()
    np.testing.assert_allclose(shown["standardised"], normalised, rtol=1e-6)


def test_statistics_count_every_pixel():
    """Counts, mean pictures and histogram agree with NumPy over the whole test split at once."""
    split = dataset.load("test")
    figures = statistics.summarise(split)
    assert figures.class_counts == (1000,) * 10
    np.testing.assert_array_equal(figures.pixel_counts, np.histogram(split.images, bins=np.arange(257))[0])
    coats = split.images[split.labels == dataset.CLASSES.index("Coat")].astype(np.float64)
    np.testing.assert_array_equal(figures.mean_pictures[4], np.round(coats.mean(axis=0)))
    assert figures.share(0) == pytest.approx((split.images == 0).mean())
    assert figures.mean == pytest.approx(split.images.mean() / 255)
    assert figures.std == pytest.approx(split.images.std() / 255)


def test_normalisation_constants_are_the_training_sets():
    """The two numbers that everybody copies are the mean and the standard deviation of the 47 million training pixels."""
    figures = statistics.summarise(dataset.load("train"))
    assert round(figures.mean, 4) == dataset.MEAN
    assert round(figures.std, 4) == dataset.STD


def test_histogram_draws_the_counts():
    """One bar for each of the 256 values, on a logarithmic axis."""
    figures = statistics.summarise(dataset.load("test"))
    drawn = statistics.pixel_histogram(figures)
    np.testing.assert_array_equal(drawn.data[0].y, figures.pixel_counts)
    assert drawn.layout.yaxis.type == "log"

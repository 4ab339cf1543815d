"""A picture as text in an address."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from fmnist_core.data import dataset
from fmnist_core.data.brought.pixels import LONGEST, as_text, from_bytes, from_text


def test_comes_back_to_the_last_bit():
    """Test pictures and noise, the worst there is, fit an address."""
    noise = np.random.default_rng(0).integers(0, 256, (5, 28, 28), np.uint8)
    for picture in (*dataset.load("test").images[:50], *noise):
        text = as_text(picture)
        assert len(text) <= LONGEST
        assert np.array_equal(from_text(text), picture)


@pytest.mark.parametrize("text", ["", "x", "<img>", "٣" * 8, "eNpjYBgFo2AUwAAAAxAAAQ"[:-3], "A" * 1_400])
def test_anything_else_is_refused(text: str):
    """A sentence, whatever an address holds."""
    for read in (from_text, from_bytes):
        with pytest.raises(ValueError, match=r"picture|pixels|base64|bytes"):
            read(text)


def test_no_more_than_a_picture_is_unpacked():
    """A text that would unpack to megabytes is refused after 785 bytes."""
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(ValueError, match="785 pixels or more"):
        from_text(bomb)

"""What is said of a kernel holds for what it answers to."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from fmnist_core.views.kernel import SIDES, drawing, in_words

SOBEL = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
DIAGONAL = np.array([[-2, -1, 0], [-1, 0, 1], [0, 1, 2]], np.float32)
TURNED = {side: np.rot90((SOBEL, DIAGONAL)[n % 2], -(n // 2)) for n, side in enumerate(SIDES)}


@pytest.mark.parametrize("side", SIDES)
def test_an_edge_is_named_by_its_light_side(side: str):
    """Of all eight halves of a picture that are light, the one that is named excites the kernel most."""
    kernel = TURNED[side]
    assert in_words(kernel) == f"It looks for an edge: light on the {side}, dark on the opposite side."
    y, x = np.mgrid[-1:2, -1:2]
    angles = [n * np.pi / 4 for n in range(8)]
    answers = [float((kernel * (x * np.cos(a) + y * np.sin(a))).sum()) for a in angles]
    assert SIDES[int(np.argmax(answers))] == side


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (np.ones((3, 3)), "looks for light"),
        (-np.ones((3, 3)), "looks for black"),
        (np.zeros((3, 3)), "All its weights are 0"),
        (np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]), "a small pattern"),
        (np.pad(np.ones((1, 1)), 1), "looks for light"),
    ],
)
def test_other_kernels_are_told_apart(kernel: np.ndarray, words: str):
    """One sign, none, a spot."""
    assert words in in_words(kernel.astype(np.float32))


def test_the_drawing_has_every_number():
    """Well-formed, nine weights to two digits; the strongest has the strongest colour."""
    cells = list(ET.fromstring(drawing(SOBEL)).iter("td"))
    assert [cell.text for cell in cells] == ["−1.00", "0.00", "1.00", "−2.00", "0.00", "2.00", "−1.00", "0.00", "1.00"]
    assert "rgba(107, 116, 230, 0.70)" in cells[5].attrib["style"]
    assert "rgba(238, 119, 51, 0.35)" in cells[0].attrib["style"]

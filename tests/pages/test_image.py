"""The Image page on the real data set."""

from __future__ import annotations

import json

import numpy as np
from streamlit.testing.v1 import AppTest

from fmnist_core.data import dataset
from tests.pages.conftest import Open, words

PAGE = "pages/2_image.py"


def grid(page: AppTest) -> dict:
    """What the page gives its pixel grid."""
    (element,) = page.get("bidi_component")
    assert element.proto.component_name == "pixel_grid"
    return json.loads(element.proto.json)


def values(page: AppTest, name: str) -> np.ndarray:
    """The 784 numbers of one scale."""
    return next(np.array(scale["values"]) for scale in grid(page)["scales"] if scale["name"] == name)


def test_first_picture_is_the_tutorials(open_page: Open):
    """Training picture 0, an ankle boot, scaled to [0, 1]."""
    page = open_page(PAGE)
    assert not page.exception
    assert "Training picture 0: Ankle boot" in words(page)
    assert grid(page)["scales"][grid(page)["shown"]]["name"] == "ToTensor"


def test_all_scales_come_from_the_same_bytes(open_page: Open):
    """Every pixel of a test picture, in three scales."""
    page = open_page(PAGE, split="test", index="7")
    pixels = dataset.load("test").images[7].ravel()
    np.testing.assert_array_equal(values(page, "raw"), pixels)
    np.testing.assert_allclose(values(page, "ToTensor"), pixels / 255, atol=1e-6)
    np.testing.assert_allclose(values(page, "standardised"), (pixels / 255 - 0.2860) / 0.3530, atol=1e-6)


def test_scale_is_in_the_address(open_page: Open):
    """The switch changes what is shown and the link, and says what the numbers are."""
    page = open_page(PAGE, index="3")
    page.segmented_control(key="chosen_scale").set_value("standardised").run()
    assert grid(page)["shown"] == 2
    assert page.query_params["scale"] == "standardised"
    assert "Black becomes −0.81, white 2.02." in words(page)
    assert grid(open_page(PAGE, scale="raw"))["shown"] == 1


def test_previous_and_next_go_round(open_page: Open):
    """Before the first picture comes the last."""
    page = open_page(PAGE)
    page.button(key="previous").click().run()
    assert "Training picture 59,999" in words(page)
    assert page.query_params["index"] == "59999"
    page.button(key="next").click().run()
    assert "Training picture 0:" in words(page)


def test_next_of_the_same_class(open_page: Open):
    """The next ankle boot is the next index with that label, and after the last comes the first."""
    same = np.flatnonzero(dataset.load("train").labels == 9)
    page = open_page(PAGE)
    page.button(key="next_of_class").click().run()
    assert page.query_params["index"] == str(same[1])
    last = open_page(PAGE, index=str(same[-1]))
    last.button(key="next_of_class").click().run()
    assert last.query_params["index"] == str(same[0])


def test_jump_to_an_index(open_page: Open):
    """A number typed in is the next picture, and in the address."""
    page = open_page(PAGE, split="test")
    page.number_input(key="chosen_index").set_value(9_999).run()
    assert "Test picture 9,999" in words(page)
    assert page.query_params["index"] == "9999"


def test_shorter_split_takes_its_last_picture(open_page: Open):
    """Picture 59,999 does not exist in the test split: no exception, no complaint."""
    page = open_page(PAGE, index="59999")
    page.segmented_control(key="chosen_split").set_value("test").run()
    assert not page.exception
    assert not page.warning
    assert "Test picture 9,999" in words(page)

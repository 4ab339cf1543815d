"""The Browse page on the real data set."""

from __future__ import annotations

import json

import numpy as np
from streamlit.testing.v1 import AppTest

from fmnist_core.data import dataset
from tests.pages.conftest import Open, words

PAGE = "pages/1_browse.py"


def grid(page: AppTest) -> dict:
    """What the page gives its picture grid."""
    (element,) = page.get("bidi_component")
    assert element.proto.component_name == "image_grid"
    return json.loads(element.proto.json)


def indices(page: AppTest) -> list[int]:
    """The data set indices of the pictures on the page, read from where they lead."""
    return [int(link.rpartition("=")[2]) for link in grid(page)["links"]]


def test_first_batch_is_the_one_that_training_sees_first(open_page: Open):
    """20 pictures in two rows, the same as a run with the tutorial's settings takes in its first step."""
    page = open_page(PAGE)
    assert not page.exception
    expected = dataset.epoch_order(60_000, seed=0, epoch=0)[:20]
    assert indices(page) == expected.tolist()
    labels = dataset.load("train").labels[expected]
    assert grid(page)["captions"] == [dataset.CLASSES[label] for label in labels]
    assert grid(page)["columns"] == 10


def test_another_batch_is_the_next_one(open_page: Open):
    """The button goes on in the same order, and after the last batch to the first."""
    page = open_page(PAGE, batch_size="100", seed="7", batch="599")
    order = dataset.epoch_order(60_000, seed=7, epoch=0)
    assert indices(page) == order[59_800:59_900].tolist()
    page.button(key="another").click().run()
    assert indices(page) == order[59_900:].tolist()
    page.button(key="another").click().run()
    assert indices(page) == order[:100].tolist()


def test_batch_number_fits_the_new_size(open_page: Open):
    """A larger size has fewer batches: the page begins at the first, without a complaint."""
    page = open_page(PAGE, batch_size="10", batch="6000")
    page.number_input(key="chosen_batch_size").set_value(100).run()
    assert not page.exception
    assert not page.warning
    assert page.number_input(key="chosen_batch").value == 1
    assert len(indices(page)) == 100


def test_last_batch_of_an_uneven_size_is_short(open_page: Open):
    """60,000 is no multiple of 7: the last batch has three pictures."""
    page = open_page(PAGE, batch_size="7", batch="8572")
    assert len(indices(page)) == 60_000 % 7 == 3


def test_page_of_a_class_shows_only_that_class(open_page: Open):
    """Filter and page are in the address; the second hundred coats are the second hundred coats."""
    page = open_page(PAGE, view="All images", split="test", **{"class": "4", "page": "2"})
    assert not page.exception
    coats = np.flatnonzero(dataset.load("test").labels == dataset.CLASSES.index("Coat"))
    assert indices(page) == coats[100:200].tolist()
    assert "101 to 200** of 1,000 test pictures of class Coat" in words(page)


def test_index_in_the_address_opens_its_page_and_is_marked(open_page: Open):
    """A jump goes to the page that has the picture."""
    page = open_page(PAGE, view="All images", index="4711")
    assert indices(page) == list(range(4700, 4800))
    assert grid(page)["marked"] == 11


def test_jump_to_a_hidden_picture_lifts_the_filter(open_page: Open):
    """Picture 0 is an ankle boot: asked for among the dresses, it is shown among all."""
    page = open_page(PAGE, view="All images", **{"class": "3"})
    page.number_input(key="chosen_index").set_value(0).run()
    assert page.selectbox(key="chosen_class").value is None
    assert grid(page)["marked"] == 0
    assert page.query_params["index"] == "0"


def test_other_split_begins_at_its_first_pictures(open_page: Open):
    """An index of the training split means another picture in the test split: it is forgotten."""
    page = open_page(PAGE, view="All images", index="59999")
    page.segmented_control(key="chosen_split").set_value("test").run()
    assert not page.exception
    assert not page.warning
    assert indices(page) == list(range(100))
    assert grid(page)["marked"] is None


def test_statistics_say_what_the_pixels_are(open_page: Open):
    """Half of all pixels are black; mean pictures lead to the class."""
    page = open_page(PAGE, view="Statistics")
    assert not page.exception
    assert "50.2\u00a0% of the 47,040,000 pixels are 0" in words(page)
    assert "mean is 0.2860 and the standard deviation 0.3530" in words(page)
    shown = grid(page)
    assert shown["captions"] == [f"{name}\n6,000" for name in dataset.CLASSES]
    assert shown["links"][4] == "browse?view=All+images&split=train&class=4"

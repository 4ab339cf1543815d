"""The Network page: its controls are its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.data import dataset
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/3_network.py"


def test_tutorials_network_is_shown(open_page: Open):
    """27,480 parameters in all, as the tutorial counts them."""
    page = open_page(PAGE)
    assert not page.exception
    assert "Parameters 27,480" in words(page)


def test_changed_network_goes_along_to_training(open_page: Open, empty: Path):
    """The button opens the Train page with the widths of this page, whether they came from a link or a slider."""
    page = open_page(PAGE, conv1_channels="20")
    page.select_slider(key="chosen_dropout").set_value(0.3).run()
    assert page.query_params["dropout"] == "0.3"
    page.button(key="train_this").click().run()
    assert not page.exception
    assert page.title[0].value == "Train"
    assert page.query_params["conv1_channels"] == "20"
    assert page.query_params["dropout"] == "0.3"


def test_back_to_the_tutorials_network(open_page: Open):
    """One button takes all changes out of the address."""
    page = open_page(PAGE, hidden_units="99")
    page.button(key="back").click().run()
    assert "Parameters 27,480" in words(page)
    assert "hidden_units" not in page.query_params


def test_a_trained_network_is_drawn_where_there_is_one(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch
):
    """The newest run with these widths, or the one in the address; fresh weights by choice, and for other widths."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, run=trained.first, split="test", index="3")
    assert not page.exception
    label = dataset.CLASSES[dataset.load("test").labels[3]]
    assert f"Test picture 3 ({label}) in a network with the weights of A" in words(page)
    assert "with fresh weights" in words(open_page(PAGE, weights="fresh"))
    assert "with fresh weights" in words(open_page(PAGE, conv1_channels="77"))

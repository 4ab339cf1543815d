"""The Network page: its controls are its address."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from pages.parts import frame
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


def test_a_run_that_cannot_be_drawn_here_is_named_with_the_way_to_it(open_page: Open, empty: Path):
    """Of another kind, of other widths, a race, or gone: nothing else is drawn in its name without a word."""
    wide, linear = client.start(TrainingConfig(hidden_units=99)), client.start(TrainingConfig(architecture="linear"))
    race = client.start(TrainingConfig(batch_size=500), job=Race(copies=2))
    for run_id, why in ((wide, "of other widths"), (linear, "of another kind"), (race, "keeps no network")):
        said = [note.value for note in open_page(PAGE, run=run_id).info]
        assert any(why in sentence and frame.plain(client.get(run_id).title) in sentence for sentence in said), said
    assert not open_page(PAGE, run=wide, hidden_units="99").info
    assert any("No such run" in note.value for note in open_page(PAGE, run="0123456789ab").warning)

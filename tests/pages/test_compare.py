"""The Compare page on two real runs."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core import dataset
from fmnist_core.runs import client
from tests.pages.conftest import HOSTILE, Open, Trained, words

PAGE = "pages/7_compare.py"


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


def test_settings_that_differ_stand_in_the_table_and_the_others_do_not(open_page: Open, trained: Trained):
    """Learning rate and seed differ between the two runs; the batch size is the same."""
    page = open_page(PAGE, runs=f"{trained.first},{trained.second}")
    assert not page.exception
    table = next(element for element in page.main if "figures" in str(getattr(element, "proto", "")))
    html = str(table.proto)
    assert "Learning rate" in html
    assert "Seed" in html
    assert "Batch size" not in html
    assert "batch size 500" in words(page)


def test_names_are_shown_as_text(open_page: Open, trained: Trained):
    """A name with HTML reaches the page escaped."""
    page = open_page(PAGE, runs=f"{trained.first},{trained.second}")
    table = next(str(e.proto) for e in page.main if "figures" in str(getattr(e, "proto", "")))
    assert "<b>bold" not in table
    assert "&lt;b&gt;bold" in table
    assert "<b>" not in words(page).replace("\\<b", "")


def test_disagreements_are_counted_from_the_predictions(open_page: Open, trained: Trained):
    """The sentence names how many pictures each has right alone."""
    labels = dataset.load("test").labels
    right = [client.folder(run).logits(120).argmax(1) == labels for run in (trained.first, trained.second)]
    only = int((right[0] & ~right[1]).sum()), int((~right[0] & right[1]).sum())
    page = open_page(PAGE, runs=f"{trained.first},{trained.second}")
    text = next(m.value for m in page.markdown if "is right on" in m.value)
    assert f"on **{only[0]:,}** pictures" in text
    assert f"on **{only[1]:,}** where" in text
    assert "more than chance" in text


def test_per_class_accuracy_stands_side_by_side(open_page: Open, trained: Trained):
    """A column for each run."""
    table = open_page(PAGE, runs=f"{trained.second},{trained.first}").dataframe[0].value
    for column, run_id in zip(table.columns[1:], (trained.second, trained.first), strict=True):
        latest = client.get(run_id).latest
        assert latest
        assert np.allclose(table[column], [correct / 10 for correct in latest.test.correct])


def test_address_names_the_runs_once_chosen(open_page: Open, trained: Trained):
    """Without an address the two newest are compared, and the address says so."""
    page = open_page(PAGE)
    assert page.query_params["runs"] == f"{trained.second},{trained.first}"


@pytest.mark.parametrize("value", [*HOSTILE, "0123456789ab", ",,,"])
def test_unknown_runs_are_left_out_and_said(open_page: Open, value: str):
    """No exception; the list is there to choose from."""
    page = open_page(PAGE, runs=value)
    assert not page.exception
    assert page.multiselect
    assert page.warning or value == ",,,"


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["change", "log", "page", "class", "against", "cleaned", "view"])
def test_nonsense_in_the_address_is_answered_by_the_default(open_page: Open, trained: Trained, name: str, value: str):
    """A notice, never an exception."""
    page = open_page(PAGE, **{"runs": f"{trained.first},{trained.second}", name: value})
    assert not page.exception
    assert len(page.warning) == 1


def test_without_runs_the_way_to_the_first_is_shown(open_page: Open, empty: object):
    """No blank page."""
    page = open_page(PAGE)
    assert not page.exception
    assert "No network has been trained yet" in words(page)

"""The Data page: copies and doubtful labels, on the real pictures and two real runs."""

from __future__ import annotations

import pytest

from fmnist_core.data import duplicates
from fmnist_core.data.duplicates import Place
from fmnist_core.runs import client
from fmnist_core.studies import judgements
from pages.parts.data import labels
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/10_data.py"


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


def test_copies_are_counted_and_shown_in_pairs(open_page: Open):
    """The nearest pair of a training and a test picture comes first, each picture with its address."""
    pairs = [pair for pair in duplicates.near_duplicates() if pair.is_leak]
    page = open_page(PAGE)
    assert not page.exception
    assert "No two of the 70,000 pictures are identical" in words(page)
    assert "7 test pictures have a copy in the training set" in words(page)
    grid = next(str(element.proto) for element in page.main if "Pairs of copies" in str(getattr(element, "proto", "")))
    first = f"image?split=train&index={pairs[0].first.index}"
    assert grid.index(first) < grid.index(f"image?split=test&index={pairs[0].second.index}")


def test_a_verdict_is_kept_moves_on_and_cleans(open_page: Open, monkeypatch: pytest.MonkeyPatch):
    """ "Label is wrong": kept in the runs folder, the next picture comes, and the cleaned test set is one smaller."""
    monkeypatch.setattr("fmnist_core.studies.label_evidence.LEAST_ACCURACY", 0.3)  # the runs of one epoch are no better
    page = open_page(PAGE, view="labels")
    assert not page.exception
    assert "No run is ever trained on test pictures" in words(page)
    page.button(key="say_wrong").click().run()
    assert not page.exception
    verdicts = judgements.read(client.runs_folder())
    ((place, verdict),) = verdicts.items()
    assert verdict == "wrong"
    assert int(page.query_params["picture"]) != place.index
    assert "0 right, 1 wrong, 0 unsure" in words(page)
    cleaned = open_page("pages/8_compare.py", cleaned="true")
    assert "1 with a label judged to be wrong" in words(cleaned) or place.index in duplicates.leaked(
        duplicates.near_duplicates()
    )
    judgements.judge(client.runs_folder(), Place("test", place.index), None)


def test_training_labels_need_a_check_first(open_page: Open):
    """The page says why, and offers the five runs; none starts by itself."""
    before = len(client.list_runs())
    page = open_page(PAGE, view="labels", of="train")
    assert not page.exception
    assert f"{labels.PARTS} runs can" in words(page)
    assert page.button(key="start_check")
    assert len(client.list_runs()) == before

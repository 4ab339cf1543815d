"""The Compare page on two real runs."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from fmnist_core.data import dataset, duplicates
from fmnist_core.runs import client
from fmnist_core.studies.seeds import by_seed
from pages.parts.compare.difference import chance, often
from tests.pages.conftest import HOSTILE, Open, Trained, words

PAGE = "pages/8_compare.py"


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


def right(run_id: str, step: int = 120) -> np.ndarray:
    """(10,000,) bool: the test pictures that a run has right after `step`."""
    return client.folder(run_id).logits(step).argmax(1) == dataset.load("test").labels


def test_chances_are_those_of_statsmodels(open_page: Open, trained: Trained):
    """Overall and class by class, from the real predictions: McNemar's exact test, Holm's correction for ten classes."""
    labels = dataset.load("test").labels
    first, second = right(trained.first), right(trained.second)
    tables = [[[0, (first & ~second)[labels == i].sum()], [(~first & second)[labels == i].sum(), 0]] for i in range(10)]
    p_values = [mcnemar(table, exact=True).pvalue for table in tables]
    whole = mcnemar(np.sum(tables, axis=0), exact=True).pvalue
    page = open_page(PAGE, runs=f"{trained.first},{trained.second}")
    assert f"in {often(whole)} cases" in words(page)
    drawn = "".join(str(element.proto) for element in page.main if "by_class" in str(getattr(element, "proto", "")))
    for table, corrected in zip(tables, multipletests(p_values, method="holm")[1], strict=True):
        counts = f'"{table[1][0]:,}", "{table[0][1]:,}", "{chance(corrected)}"'
        assert counts.replace('"', '\\"') in drawn or counts in drawn


def test_two_moments_of_one_run_are_compared(open_page: Open, trained: Trained):
    """`a@0` is the network before training; a step that was not kept is answered by the one kept before it."""
    before, after = right(trained.first, 0), right(trained.first)
    page = open_page(PAGE, runs=f"{trained.first}@0,{trained.first}")
    assert not page.exception
    assert f"on **{int((before & ~after).sum()):,}** pictures" in words(page)
    page = open_page(PAGE, runs=f"{trained.first}@119,{trained.first}")
    assert "@119" not in page.query_params["runs"]


def test_the_cleaned_test_set_leaves_pictures_out_of_every_figure(open_page: Open, trained: Trained):
    """Accuracy and disagreements are counted on the pictures that stay."""
    out = duplicates.leaked(duplicates.near_duplicates())
    mask = duplicates.clean_mask(out)
    first, second = right(trained.first)[mask], right(trained.second)[mask]
    page = open_page(PAGE, runs=f"{trained.first},{trained.second}", cleaned="true")
    assert not page.exception
    assert f"on **{int((first & ~second).sum()):,}** pictures" in words(page)
    assert "9,993 of 10,000 pictures" in words(page)
    table = next(str(element.proto) for element in page.main if "outcome" in str(getattr(element, "proto", "")))
    assert f"{100 * first.mean():.2f}" in table


def test_seeds_say_what_one_run_cannot(open_page: Open, trained: Trained):
    """With a single run of each setting there is no spread, and the page says so."""
    assert [len(group.runs) for group in by_seed(client.list_runs())] == [1, 1]
    page = open_page(PAGE, view="seeds")
    assert not page.exception
    assert "nobody can say whether that is the seed or the setting" in words(page)
    assert [button.label for button in page.button if "Train 4 more seeds" in button.label]


def test_leaderboard_warns_of_choosing_by_test_accuracy(open_page: Open, trained: Trained):
    """Own runs among the published ones; a warning with the size of the effect; sorted by the word in the address."""
    page = open_page(PAGE, view="leaderboard")
    assert not page.exception
    assert "The best of 2 finished runs by test accuracy looks better than it is" in words(page)
    board = next(str(element.proto) for element in page.main if "WRN-40-4" in str(getattr(element, "proto", "")))
    assert board.index("WRN-40-4") < board.index("People") < board.index("A blind guess")
    assert f"test?run={trained.first}" in board
    page = open_page(PAGE, view="leaderboard", up="true")
    board = next(str(element.proto) for element in page.main if "WRN-40-4" in str(getattr(element, "proto", "")))
    assert board.index("A blind guess") < board.index("WRN-40-4")


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


def test_without_runs_the_way_to_the_first_is_shown(open_page: Open, empty: object):
    """No blank page."""
    page = open_page(PAGE)
    assert not page.exception
    assert "No network has been trained yet" in words(page)


def test_two_runs_of_one_name_are_told_apart(open_page: Open, trained: Trained):
    """Everywhere on the page, also where a moment of each is chosen, by their numbers."""
    runs = [client.get(trained.first), client.get(trained.second)]
    client.rename(trained.second, runs[0].name)
    try:
        page = open_page(PAGE, runs=f"{trained.first},{trained.second}")
        assert not page.exception
        moments = [slider.label for slider in page.select_slider if slider.label.endswith(": moment")]
        assert [
            label.rpartition(" ")[0].endswith(f"({run.sequence}):") for label, run in zip(moments, runs, strict=True)
        ] == [True, True]
    finally:
        client.rename(trained.second, runs[1].name)

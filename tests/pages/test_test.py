"""The Test page on real predictions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss

from fmnist_core import dataset
from fmnist_core.runs import client
from tests.pages.conftest import HOSTILE, Open, Trained, words

PAGE = "pages/6_test.py"


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


def test_figures_are_those_of_the_stored_predictions(open_page: Open, trained: Trained):
    """Accuracy and loss on the page are what scikit-learn counts from the logits in the run's folder."""
    page = open_page(PAGE, run=trained.first)
    assert not page.exception
    logits = client.folder(trained.first).logits(120).astype(np.float64)
    labels = dataset.load("test").labels
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Accuracy"] == f"{100 * accuracy_score(labels, logits.argmax(1)):.2f}\u00a0%"
    probabilities = np.exp(logits - logits.max(1, keepdims=True))
    probabilities /= probabilities.sum(1, keepdims=True)
    assert shown["Test loss"] == f"{log_loss(labels, probabilities):.4f}"
    assert 5 < float(shown["Accuracy before"].split()[0]) < 20


def test_table_has_before_and_after_of_every_class(open_page: Open, trained: Trained):
    """A row for each class, with both accuracies as the run recorded them."""
    run = client.get(trained.first)
    table = open_page(PAGE, run=trained.first).dataframe[0].value
    assert table["Class"].tolist() == list(dataset.CLASSES)
    assert run.before
    assert run.latest
    assert table["Before"].tolist() == [correct / 10 for correct in run.before.test.correct]
    assert table["After"].tolist() == [correct / 10 for correct in run.latest.test.correct]


def test_report_is_printed_as_in_the_tutorial(open_page: Open, trained: Trained):
    """The tutorial's lines, word for word, for before and after."""
    page = open_page(PAGE, run=trained.first)
    printed = page.segmented_control(key="table_as").set_value("As the tutorial prints it").run()
    after, before = (code.value for code in printed.code)
    run = client.get(trained.first)
    assert run.latest
    correct = sum(run.latest.test.correct)
    assert after.splitlines()[-1] == f"Test Accuracy (Overall): {correct // 100:2d}% ({correct}/10000)"
    assert "Test Accuracy of Ankle boot:" in before


def test_cell_in_the_address_is_named_and_counted(open_page: Open, trained: Trained):
    """?true=&predicted= opens the pictures of one cell, and says how many there are."""
    labels, logits = dataset.load("test").labels, client.folder(trained.first).logits(120)
    count = int(((labels == 6) & (logits.argmax(1) == 0)).sum())
    page = open_page(PAGE, run=trained.first, true="6", predicted="0")
    assert not page.exception
    assert f"Shirt taken for T-shirt/top: {count:,} of 1,000 pictures" in words(page)
    sample = page.button(key="back_to_sample").click().run()
    assert "Sample predictions" in words(sample)


def test_without_a_run_in_the_address_the_newest_is_shown(open_page: Open, trained: Trained):
    """The address then names it, so that the link shows the same to others."""
    page = open_page(PAGE)
    assert page.query_params["run"] == trained.second


@pytest.mark.parametrize("run", ["../../etc/passwd", "0123456789ab", "x" * 5000])
def test_unknown_run_is_said_and_others_are_offered(open_page: Open, run: str):
    """No traceback and no path: a sentence, and the list."""
    page = open_page(PAGE, run=run)
    assert not page.exception
    assert "No such run" in words(page)
    assert "passwd" not in words(page)
    assert page.selectbox


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["true", "predicted", "sample", "moment", "show", "diagonal", "page", "order"])
def test_nonsense_in_the_address_is_answered_by_the_default(open_page: Open, trained: Trained, name: str, value: str):
    """A notice, never an exception."""
    address = {"run": trained.first, name: value} | ({"true": "6"} if name in ("page", "order") else {})
    page = open_page(PAGE, **address)
    assert not page.exception
    assert len(page.warning) == 1
    assert f"The address says {name} =" in page.warning[0].value


def test_without_predictions_the_figures_stay(open_page: Open, trained: Trained):
    """A run whose stored predictions were removed still shows what its record says, and a sentence."""
    path = trained.folder / trained.second / "snapshots" / f"{120:08d}.npy"
    kept = path.read_bytes()
    path.unlink()
    try:
        page = open_page(PAGE, run=trained.second)
        assert not page.exception
        assert "missing from the run's folder" in words(page)
        assert len(page.metric) == 4
    finally:
        path.write_bytes(kept)


def test_without_runs_the_way_to_the_first_is_shown(open_page: Open, empty: object):
    """No blank page."""
    page = open_page(PAGE)
    assert not page.exception
    assert "No network has been trained yet" in words(page)

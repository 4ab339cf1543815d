"""The Test page on real predictions."""

from __future__ import annotations

import json
import re
import time
from urllib.parse import parse_qs, parse_qsl

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, log_loss, precision_recall_fscore_support

from fmnist_core.data import dataset, duplicates
from fmnist_core.runs import client
from fmnist_core.runs.service import features
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts.text import signed
from tests.pages.conftest import Open, Trained, words
from tests.pages.test_train import wait_for

PAGE = "pages/5_test.py"


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


def test_the_hardest_class_leads_to_its_mistakes(open_page: Open, trained: Trained):
    """Named with its share, and one click from the pictures of that class that were not recognised."""
    page = open_page(PAGE, run=trained.first)
    labels, right = dataset.load("test").labels, client.folder(trained.first).logits(120).argmax(1)
    worst = min(range(10), key=lambda label: (right[labels == label] == label).sum())
    assert f"The hardest class is {dataset.CLASSES[worst]}" in words(page)
    (link,) = [link.proto for link in page.get("page_link") if link.proto.label == "See its mistakes"]
    query = dict(parse_qsl(link.query_string))
    assert query == {"run": trained.first, "view": "mistakes", "true": str(worst)}
    there = open_page(PAGE, **query)
    assert not there.exception
    assert not there.warning


def test_table_has_every_figure_of_every_class(open_page: Open, trained: Trained):
    """Precision, recall, F1 and support are scikit-learn's; recall before training is what the run recorded."""
    run = client.get(trained.first)
    page = open_page(PAGE, run=trained.first)
    table = page.dataframe[0].value
    labels, guesses = dataset.load("test").labels, client.folder(trained.first).logits(120).argmax(1)
    precision, recall, f1, support = precision_recall_fscore_support(labels, guesses, zero_division=0)
    assert table["Class"].tolist() == list(dataset.CLASSES)
    for name, figure in (("Recall", recall), ("Precision", precision), ("F1", f1)):
        assert table[name].tolist() == pytest.approx(100 * figure)
    assert table["Support"].tolist() == support.tolist()
    assert run.before
    assert table["Before"].tolist() == pytest.approx([correct / 10 for correct in run.before.test.correct])
    assert table["Change"].tolist() == pytest.approx((table["Recall"] - table["Before"]).tolist())
    written = pa.ipc.open_stream(page.dataframe[0].proto.arrow_data.styler.display_values).read_pandas().iloc[:, 4]
    assert written.tolist() == [signed(points, 1) for points in table["Change"]]
    ends = wilson_of_recall(guesses, labels, 6)
    assert table["Recall, 95 %"][6].split() == [f"{100 * ends.low:.1f}", "to", f"{100 * ends.high:.1f}"]


def wilson_of_recall(guesses: np.ndarray, labels: np.ndarray, label: int):
    """SciPy's Wilson interval of a class's recall."""
    of_class = labels == label
    result = binomtest(int((guesses[of_class] == label).sum()), int(of_class.sum()))
    return result.proportion_ci(0.95, method="wilson")


def test_pictures_carry_their_biographies(open_page: Open, trained: Trained):
    """Below each picture of a cell its first and its last predicted class, in their colours."""
    page = open_page(PAGE, run=trained.first, view="matrix", true="6", predicted="0")
    (grid,) = [e for e in page.get("bidi_component") if e.proto.component_name == "image_grid"]
    shown = json.loads(grid.proto.json)
    stories = client.folder(trained.first).predictions().classes
    assert len(stories) > 1
    places = [int(parse_qs(link)["index"][0]) for link in shown["links"]]
    assert len(places) == 20
    for place, strip in zip(places, shown["strips"], strict=True):
        colours = re.findall(r"#[0-9a-fA-F]{6}", strip)
        assert [colours[0], colours[-1]] == [CLASS_COLOURS[stories[0, place]], CLASS_COLOURS[stories[-1, place]]]


def test_report_is_printed_as_in_the_tutorial(open_page: Open, trained: Trained):
    """The tutorial's lines, word for word, for before and after."""
    printed = open_page(PAGE, run=trained.first, **{"as": "print"})
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
    page = open_page(PAGE, run=trained.first, view="matrix", true="6", predicted="0")
    assert not page.exception
    assert f"Shirt taken for T-shirt/top: {count:,} of 1,000 pictures" in words(page)
    pairs = page.button(key="close").click().run()
    assert "The most confused pairs" in words(pairs)


@pytest.mark.parametrize("numbers", ["counts", "rows", "columns"])
@pytest.mark.parametrize("order", ["given", "similar"])
def test_matrix_can_show_the_difference_to_another_run(open_page: Open, trained: Trained, numbers: str, order: str):
    """In each kind of numbers, and the other run is named in the list."""
    page = open_page(
        PAGE,
        run=trained.first,
        view="matrix",
        side="Difference",
        against=trained.second,
        numbers=numbers,
        classes=order,
        diagonal="false",
    )
    assert not page.exception
    assert not page.warning
    assert page.selectbox(key="chosen_against").value == trained.second
    assert "more (+, blue) or less (−, orange) than in the other" in words(page)


def test_mistakes_are_counted_and_filtered(open_page: Open, trained: Trained):
    """As many as the predictions differ from the labels, of all classes and of one; none is said."""
    labels, guesses = dataset.load("test").labels, client.folder(trained.first).logits(120).argmax(1)
    page = open_page(PAGE, run=trained.first, view="mistakes")
    assert not page.exception
    assert f"{int((labels != guesses).sum()):,} mistakes" in words(page)
    page = page.selectbox(key="chosen_true").set_value(6).run()
    assert not page.exception
    assert f"{int(((labels != guesses) & (labels == 6)).sum()):,} mistakes" in words(page)
    assert page.query_params["true"] == "6"
    page = page.selectbox(key="chosen_predicted").set_value(6).run()
    assert "There is no such mistake" in words(page)


@pytest.mark.slow
def test_hidden_layer_is_computed_beside_the_run(open_page: Open, trained: Trained):
    """A process of its own keeps what fc2 sees of all 70,000 images: fc2 makes the stored logits of it; then neighbours."""
    folder = client.folder(trained.first)
    deadline = time.monotonic() + 600
    while (state := features.begin(folder, 120)) == "computing" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert state == "ready"
    kept, checkpoint = features.read(folder, 120), folder.read_checkpoint()
    assert kept is not None
    assert checkpoint is not None
    weight, bias = (checkpoint[0][f"net.fc2.{name}"].numpy() for name in ("weight", "bias"))
    assert (kept.shape, kept.dtype) == ((70_000, 50), np.float16)
    again = kept[60_000:].astype(np.float32) @ weight.T + bias
    assert again == pytest.approx(folder.logits(120), abs=0.03)
    assert not open_page(PAGE, run=trained.first, view="mistakes").exception
    lost = min(set(range(1, 120)) - set(folder.weight_steps()))
    assert features.read(folder, lost) is None
    with pytest.raises(LookupError, match=f"step {lost} were not kept"):
        features.compute(folder, lost)


def test_fitted_temperature_says_what_it_was_fitted_on(open_page: Open, trained: Trained):
    """Without held-out images each half of the test images is judged with the other's temperature."""
    page = open_page(PAGE, run=trained.first, view="calibration")
    assert not page.exception
    fitted = page.button(key="fit").click().run()
    assert not fitted.exception
    assert fitted.query_params["fit"] == "true"
    assert "no picture is judged with a temperature that it helped to choose" in words(fitted)
    moved = fitted.slider(key="chosen_temperature").set_value(2.0).run()
    assert moved.query_params["temperature"] == "2"
    assert "temperature" not in moved.button(key="as_trained").click().run().query_params


def test_bin_opens_its_pictures(open_page: Open, trained: Trained):
    """The list names each bin that has pictures, with how many are right."""
    page = open_page(PAGE, run=trained.first, view="calibration", bin="8")
    assert not page.exception
    logits = client.folder(trained.first).logits(120).astype(np.float64)
    sure = (np.exp(logits - logits.max(1, keepdims=True))).sum(1) ** -1
    inside = (sure > 8 / 15) & (sure <= 9 / 15)
    right = int((inside & (logits.argmax(1) == dataset.load("test").labels)).sum())
    assert f"53.3 to 60.0 %: {right:,} of {int(inside.sum()):,} right" in page.selectbox(key="chosen_bin").options


def test_threshold_splits_the_pictures(open_page: Open, trained: Trained):
    """Answered, right and abstained are counted from the stored predictions."""
    logits = client.folder(trained.first).logits(120).astype(np.float64)
    sure = (np.exp(logits - logits.max(1, keepdims=True))).sum(1) ** -1
    answered, right = sure >= 0.6, logits.argmax(1) == dataset.load("test").labels
    page = open_page(PAGE, run=trained.first, view="threshold", threshold="0.6")
    assert not page.exception
    shown = {metric.label: metric.value for metric in page.metric}
    assert shown["Answered"] == f"{int(answered.sum()):,} of 10,000"
    assert shown["Accuracy of the answers"] == f"{100 * right[answered].mean():.2f}\u00a0%"
    assert shown["Abstained"] == f"{int((~answered).sum()):,}"
    page = page.segmented_control(key="chosen_which").set_value("answered wrong").run()
    assert f"{int((answered & ~right).sum()):,} answered, but wrong" in words(page)
    for end in (0.0, 1.0):
        assert not page.slider(key="chosen_threshold").set_value(end).run().exception


def test_cleaned_test_set_is_obeyed_by_every_view(open_page: Open, trained: Trained):
    """Tiles, support and threshold count only what is left; each view is drawn from it."""
    kept = duplicates.clean_mask(
        duplicates.leaked(copies := duplicates.near_duplicates()) | duplicates.repeated(copies)
    )
    right = (client.folder(trained.first).logits(120).argmax(1) == dataset.load("test").labels)[kept]
    for view in ("classes", "matrix", "mistakes", "calibration", "threshold"):
        page = open_page(PAGE, run=trained.first, view=view, cleaned="true")
        assert not page.exception
        assert page.metric[0].value == f"{100 * right.mean():.2f}\u00a0%"
        match view:
            case "classes":
                assert page.dataframe[0].value["Support"].sum() == kept.sum()
            case "mistakes":
                assert f"{int((~right).sum()):,} mistakes" in words(page)
            case "threshold":
                assert page.metric[4].value.endswith(f"of {kept.sum():,}")


def test_without_a_run_in_the_address_the_newest_is_shown(open_page: Open, trained: Trained):
    """The address then names it, so that the link shows the same to others."""
    page = open_page(PAGE)
    assert page.query_params["run"] == trained.second


@pytest.mark.parametrize("run", ["../../etc/passwd", "0123456789ab", "x" * 5000])
def test_unknown_run_is_said_and_others_are_offered(open_page: Open, run: str):
    """No traceback and no path: a sentence, and the list."""
    page = open_page(PAGE, run=run)
    assert not page.exception
    assert ("The address says run" if len(run) > 60 else "No such run") in words(page)
    assert "passwd" not in words(page)
    assert page.selectbox


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


@pytest.mark.slow
def test_a_first_network_is_one_click_away(open_page: Open, empty: object):
    """The quick recipe is trained while the page says how far it is, also in another tab; then the page shows it."""
    page = open_page(PAGE)
    page.button(key="train_first").click().run()
    assert not page.exception
    (run,) = client.list_runs()
    assert run.config == RECIPES["fast"].config
    assert page.query_params["run"] == run.id
    assert not page.metric
    assert "train_first" not in {button.key for button in open_page("pages/7_yours.py").button}
    wait_for(run.id, "finished")
    page.run()
    assert not page.exception
    assert page.metric

"""The time slider: what it fetches, and what an address may bring."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.runs.files.snapshots import Snapshots
from pages.parts.components.time_slider.route import routes
from tests.pages.conftest import HOSTILE, Open, Trained, words

PAGE = "pages/5_test.py"


@pytest.fixture
def web(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    return TestClient(Starlette(routes=routes), raise_server_exceptions=False)


def slider(page: AppTest) -> dict:
    """What the page gives its time slider."""
    found = [e for e in page.get("bidi_component") if e.proto.component_name == "time_slider"]
    (element,) = found
    return json.loads(element.proto.json)


def test_every_kept_moment_comes_with_its_predictions(web: TestClient, trained: Trained):
    """Head, true classes, and the winners of the logits on disk, byte for byte."""
    folder = client.folder(trained.first)
    steps, after = [], -1
    while True:
        body = web.get(f"/api/runs/{trained.first}/moments", params={"after": after}).content
        head, _, rest = body.partition(b"\n")
        facts = json.loads(head)
        assert np.array_equal(np.frombuffer(rest[:10_000], np.uint8), dataset.load("test").labels)
        for place, step in enumerate(facts["steps"]):
            shown = np.frombuffer(rest[10_000 * (place + 1) : 10_000 * (place + 2)], np.uint8)
            assert np.array_equal(shown, folder.logits(step).argmax(1))
        steps += facts["steps"]
        if not facts["more"]:
            break
        after = steps[-1]
    assert steps == folder.logit_steps()


def test_filters_of_the_first_layer_come_from_the_film(tmp_path: Path):
    """Of a convolution its kernels, of a linear layer a picture for each unit, each with the steps that have them."""
    chance = np.random.default_rng(0)
    for name, shape, picture in (("conv1.weight", (4, 1, 3, 3), (4, 3, 3)), ("fc.weight", (5, 784), (5, 28, 28))):
        snapshots = Snapshots(tmp_path / name)
        snapshots.path.mkdir()
        kept = {step: {name: chance.random(shape, np.float32)} for step in (0, 3, 8)}
        snapshots.write_weights({0: kept[0], 3: kept[3]})
        snapshots.write_weights({8: kept[8]})
        steps, filters = snapshots.first_filters()
        assert steps == [0, 3, 8]
        assert np.array_equal(filters, [kept[step][name].reshape(picture) for step in steps])


@pytest.mark.parametrize("after", ["-2", "1e3", "٣", "x", "9" * 100, ""])
def test_cursor_must_be_a_step(web: TestClient, trained: Trained, after: str):
    """400, never a traceback."""
    assert web.get(f"/api/runs/{trained.first}/moments", params={"after": after}).status_code == 400


@pytest.mark.parametrize("run", ["0123456789ab", "..%2F..%2Fetc", "%00"])
def test_unknown_run_has_no_moments(web: TestClient, run: str):
    """404, whatever the id looks like; and nothing can be changed."""
    assert web.get(f"/api/runs/{run}/moments").status_code == 404
    assert web.post("/api/runs/0123456789ab/moments").status_code == 405


def test_the_page_shows_the_moment_in_the_address(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """`?step=0` is before training; a step between two kept ones means the one before it; the default is the last."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    steps = client.folder(trained.first).logit_steps()
    run = client.get(trained.first)
    assert run.before
    page = open_page(PAGE, run=trained.first, step="0")
    assert not page.exception
    assert slider(page)["shown"] == 0
    assert page.metric[0].value == f"{100 * run.before.test.accuracy:.2f}\u00a0%"
    between = open_page(PAGE, run=trained.first, step=str(steps[1] - 1))
    assert slider(between)["shown"] == 0
    assert slider(open_page(PAGE, run=trained.first))["shown"] == steps[-1]


@pytest.mark.parametrize("step", ["999999999", *(pytest.param(step, marks=pytest.mark.thorough) for step in HOSTILE)])
def test_nonsense_for_a_step_means_the_last(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, step: str
):
    """A notice, and the last moment."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, run=trained.first, step=step)
    assert not page.exception
    assert "The address says step =" in words(page)
    assert slider(page)["shown"] == client.folder(trained.first).logit_steps()[-1]


def test_the_image_page_tells_an_images_biography(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """The ten logits at every moment; without a run in the address the way to one; for a training picture nothing."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    folder = client.folder(trained.first)
    page = open_page("pages/2_image.py", split="test", index="7", run=trained.first)
    assert not page.exception
    told = slider(page)
    expected = np.array([folder.logits(step)[7] for step in folder.logit_steps()])
    np.testing.assert_allclose(told["logits"], expected, atol=1e-3)
    assert told["trueClass"] == dataset.load("test").labels[7]
    for address, is_offered in (({"split": "test"}, True), ({"split": "train"}, False)):
        links = open_page("pages/2_image.py", index="7", **address).get("page_link")
        assert any("from first step to last" in link.proto.label for link in links) is is_offered


def test_browse_finds_images_by_what_became_of_them(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Shirts that ended as T-shirts: as many as the logits say, the surest first."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    labels, folder = dataset.load("test").labels, client.folder(trained.first)
    last = folder.logits(folder.logit_steps()[-1]).astype(np.float64)
    mask = (labels == 6) & (last.argmax(1) == 0)
    page = open_page(
        "pages/1_browse.py",
        view="Biographies",
        run=trained.first,
        order="Surest",
        true="6",
        predicted="0",
    )
    assert not page.exception
    assert f"**{mask.sum():,} of 10,000 test images**" in words(page)
    sure = np.exp(last - np.log(np.exp(last).sum(1, keepdims=True)))[:, 0]
    (grid,) = page.get("bidi_component")
    shown = [int(link.split("index=")[1].split("&")[0]) for link in json.loads(grid.proto.json)["links"]]
    assert set(shown) <= set(np.flatnonzero(mask))
    assert (np.diff(sure[shown]) <= 2e-3).all()  # kept to three digits
    assert len(shown) == min(60, mask.sum())

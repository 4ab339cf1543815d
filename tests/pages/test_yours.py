"""The page Yours and the route that its pad asks, on real runs."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.data import dataset
from fmnist_core.data.brought.pixels import as_text
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.runs import client
from fmnist_core.runs.people import Person
from fmnist_core.studies import collection
from pages.parts.components.drawing_pad.route import routes
from tests.pages.conftest import HOSTILE, Open, Trained, words

PAGE = "pages/7_yours.py"


@pytest.fixture(autouse=True)
def folder(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


def raw(picture: np.ndarray) -> str:
    return base64.urlsafe_b64encode(picture.tobytes()).decode().rstrip("=")


def components(page: object, name: str) -> list[dict]:
    found = [one.proto for one in page.get("bidi_component") if one.proto.component_name == name]  # type: ignore[attr-defined]
    return [json.loads(proto.json) for proto in found]


def test_the_route_says_what_the_run_measured(trained: Trained):
    """The probabilities of a test picture are those that the run recorded; it is no stranger, its negative is."""
    web = TestClient(Starlette(routes=routes), raise_server_exceptions=False)
    test, step = dataset.load("test"), client.get(trained.first).latest.step
    recorded = Evaluation.from_logits(client.folder(trained.first).logits(step), test.labels).probabilities
    for index in (0, 1, 2):
        address = f"/api/runs/{trained.first}/answer?step={step}&pixels={raw(test.images[index])}"
        answer = web.get(address).json()
        np.testing.assert_allclose(answer["probabilities"], recorded[index], atol=2e-3)  # kept as float16
    negative = web.get(f"/api/runs/{trained.first}/answer?step={step}&pixels={raw(255 - test.images[0])}").json()
    assert negative["stranger"]
    assert "border is lit" in negative["reason"]


def test_the_route_refuses(trained: Trained):
    """Anything but a run, a step that it kept and 784 pixels: a sentence and a status, never a traceback."""
    web = TestClient(Starlette(routes=routes), raise_server_exceptions=False)
    good = raw(np.zeros((28, 28), np.uint8))
    for run, step, pixels, status in (
        ("0123456789ab", "0", good, 404),
        (trained.first, "999999", good, 404),
        (trained.first, "-1", good, 400),
        (trained.first, "٣", good, 400),
        (trained.first, "0", good[:-4], 400),
        (trained.first, "0", "<img>", 400),
        (trained.first, "0", "", 400),
    ):
        answer = web.get(f"/api/runs/{run}/answer", params={"step": step, "pixels": pixels})
        assert answer.status_code == status
        assert answer.json()["error"]
    assert web.post(f"/api/runs/{trained.first}/answer").status_code == 405


def test_a_drawing_is_its_address(trained: Trained, open_page: Open):
    """The pad shows it; below stand the curves and the nearest training pictures."""
    picture = dataset.load("test").images[2]
    page = open_page(PAGE, run=trained.first, pixels=as_text(picture), second=trained.second)
    assert not page.exception
    (pad,) = components(page, "drawing_pad")
    assert base64.b64decode(pad["pixels"]) == picture.tobytes()
    assert [judge["run"] for judge in pad["judges"]] == [trained.first, trained.second]
    assert len(components(page, "image_grid")) == 2
    assert "What would have to change?" in words(page)
    inside = open_page("pages/6_inside.py", run=trained.first, pixels=as_text(picture))
    assert not inside.exception
    (microscope,) = components(inside, "microscope")
    assert microscope["title"] == "Your picture"
    assert microscope["trueClass"] is None
    assert not open_page("pages/6_inside.py", run=trained.first, pixels="AAAA").exception
    assert "nothing is kept unless you say so" in words(page)


def test_begin_with_a_test_picture(trained: Trained, open_page: Open):
    """It is put on the pad, and so into the address."""
    page = open_page(PAGE, run=trained.first, start="5")
    page.button(key="begin_with").click().run()
    assert not page.exception
    assert page.query_params["pixels"] == as_text(dataset.load("test").images[5])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["pixels", "second", "photo_of", "start", "cut", "negate", "angle", "crop", "mirror", "mine", "part", "what_if"],
)
def test_hostile_addresses(trained: Trained, open_page: Open, name: str):
    """A notice at most, never a traceback, in all three views."""
    for view, value in zip(("draw", "photo", "collection", "photo"), HOSTILE[2:], strict=True):
        address = {"run": trained.first, "view": view, "photo_of": "3", name: value}
        assert not open_page(PAGE, **address).exception


def test_a_photograph_goes_all_the_way(trained: Trained, open_page: Open):
    """Eleven stages with their reasons; a choice by hand is in the address and is said."""
    page = open_page(PAGE, run=trained.first, view="photo", photo_of="7", mirror="yes", angle="5", crop="10,10,90,90")
    assert not page.exception
    stages = next(block.body for block in page.get("html") if "stages" in block.body)
    assert stages.count("<li>") == 11
    assert "Mirrored, as you chose." in stages
    assert "Turned by +5.0°, as you chose." in stages
    assert "To your box." in stages
    page.button(key="automatic").click().run()
    assert "as you chose" not in next(block.body for block in page.get("html") if "stages" in block.body)


def test_files_of_every_kind(trained: Trained, open_page: Open):
    """Of several files each bad one has its sentence, and the good ones are shown."""
    import io

    from PIL import Image

    good = io.BytesIO()
    Image.fromarray(np.kron(255 - dataset.load("test").images[1], np.ones((9, 9), np.uint8))).save(good, "PNG")
    page = open_page(PAGE, run=trained.first, view="photo")
    uploader = page.get("file_uploader")[0]
    uploader.set_value(
        [
            ("<b>x</b>.jpg", b"<html></html>", "image/jpeg"),
            ("empty.png", b"", "image/png"),
            ("good.png", good.getvalue(), "image/png"),
        ]
    )
    page.run()
    assert not page.exception
    assert "is a web page" in words(page)
    assert "is empty" in words(page)
    assert "<b>x" not in words(page)
    assert "What the network sees" in words(page)


def test_the_collection_tests_a_run(trained: Trained, open_page: Open, monkeypatch: pytest.MonkeyPatch):
    """Labelled pictures give an accuracy with its interval; only one's own are there."""
    test = dataset.load("test")
    for index in range(4):
        collection.keep(trained.folder, "Ann", f"test {index}", test.images[index], int(test.labels[index]))
    collection.keep(trained.folder, "Bob", "another's", test.images[9], 1)
    monkeypatch.setattr("pages.parts.yours.collection.me", lambda: Person("Ann", "Ann", "teacher"))
    page = open_page(PAGE, run=trained.first, view="collection")
    assert not page.exception
    table = page.dataframe[0].value
    assert table["Right on yours"][0].endswith("of 4")
    (grid,) = components(page, "image_grid")
    assert grid["count"] == 4
    mine = collection.collection(trained.folder, "Ann")[1]
    page = open_page(PAGE, run=trained.first, view="collection", mine=mine.id)
    page.button(key=f"delete_{mine.id}").click().run()
    assert len(collection.collection(trained.folder, "Ann")) == 3

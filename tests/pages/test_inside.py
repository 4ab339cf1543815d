"""The page Inside: which network and which picture it is about, and what it does where something is missing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened, opened_steps
from pages.parts.components.microscope import route
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/6_inside.py"


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


def scope(page) -> dict:
    """What the microscope is given."""
    (found,) = [json.loads(c.proto.json) for c in page.get("bidi_component") if "graph" in json.loads(c.proto.json)]
    return found


def test_it_opens_at_the_output_that_decided(open_page: Open, trained: Trained):
    """Without a choice in the address, the last layer's predicted class, of the picture and run in the address."""
    page = open_page(PAGE, run=trained.first, index="12")
    assert not page.exception
    data = scope(page)
    folder = client.folder(trained.first)
    predicted = opened(folder, opened_steps(folder)[-1]).logits(dataset.load("test").images[12:13]).argmax()
    assert (data["selected"]["layer"], data["selected"]["unit"]) == ("fc2", predicted)
    assert (data["run"], data["trueClass"]) == (trained.first, int(dataset.load("test").labels[12]))


def test_the_address_says_what_is_shown(open_page: Open, trained: Trained):
    """Run, step, split, index, layer, unit and place: a link shows the same to anybody."""
    folder = client.folder(trained.second)
    step = folder.logit_steps()[0]
    address = {"step": str(step), "split": "train", "index": "7", "layer": "conv2", "unit": "3", "place": "5"}
    data = scope(open_page(PAGE, run=trained.second, **address))
    assert data["selected"] == {"layer": "conv2", "unit": 3, "place": 5}
    assert data["step"] == step


def test_a_run_without_weights_says_so(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Where nothing was kept there is a sentence instead of a picture."""
    monkeypatch.setattr("pages.parts.inside.subject.opened_steps", lambda _folder: [])
    page = open_page(PAGE, run=trained.first)
    assert not page.exception
    assert "No weights of this run were kept" in words(page)


@pytest.fixture
def browser() -> TestClient:
    return TestClient(Starlette(routes=route.routes))


def test_the_route_gives_the_weights_of_the_moment(browser: TestClient, trained: Trained):
    """One line of JSON, then the float32 of every tensor, exactly as the run kept them."""
    folder = client.folder(trained.first)
    step = opened_steps(folder)[1]
    answer = browser.get(f"/api/runs/{trained.first}/weights?step={step}")
    line, _, content = answer.content.partition(b"\n")
    values, at = np.frombuffer(content, np.float32), 0
    for name, shape in json.loads(line)["tensors"]:
        size = int(np.prod(shape))
        assert (values[at : at + size] == folder.weights(step)[name].ravel()).all()
        at += size
    assert at == len(values)


@pytest.mark.parametrize(
    ("run", "query", "status"),
    [
        ("ffffffffffff", "step=0", 404),
        ("..", "step=0", 404),
        (None, "step=-1", 400),
        (None, "step=٣", 400),
        (None, "", 400),
        (None, "step=999999", 404),
        (None, "step=0&edits=mute:conv1:99", 400),
    ],
)
def test_the_route_is_validated(browser: TestClient, trained: Trained, run: str | None, query: str, status: int):
    """Anything that is no run, no step or no edit is refused with a word, never with a traceback or a path."""
    answer = browser.get(f"/api/runs/{run or trained.first}/weights?{query}")
    assert answer.status_code == status
    assert b"/" not in answer.content or status == 404


def test_the_route_applies_edits(browser: TestClient, trained: Trained):
    """The browser gets the patient's weights: a muted filter is all zeros."""
    step = opened_steps(client.folder(trained.first))[0]
    answer = browser.get(f"/api/runs/{trained.first}/weights?step={step}&edits=mute:conv1:0")
    first = np.frombuffer(answer.content.partition(b"\n")[2], np.float32)[:18]
    assert (first[:9] == 0).all()
    assert (first[9:] != 0).all()

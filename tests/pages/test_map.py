"""The view Map: positions by their route, maps that are kept, what is drawn around; each against what is computed by hand."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.data import dataset
from fmnist_core.inside import area, layout, neighbours
from fmnist_core.inside.network import softmax
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import maps
from pages.parts.components.picture_map import route
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/6_inside.py"
COUNT = 600


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))


@pytest.fixture
def browser() -> TestClient:
    return TestClient(Starlette(routes=route.routes))


@pytest.fixture
def mapped(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """A run whose maps of three moments and a few pictures were computed, as a slow network's are."""
    monkeypatch.setenv("FMNIST_COMPILED", "1")
    monkeypatch.setitem(maps.MOMENTS, "net", 3)
    monkeypatch.setitem(maps.PICTURES, "net", COUNT)
    folder = client.folder(trained.second)
    maps.main(str(folder.path))
    maps.shown.cache_clear()
    yield folder
    shutil.rmtree(folder.path / "maps")


def received(content: bytes) -> tuple[dict, np.ndarray, np.ndarray]:
    """Facts, points and predicted classes of an answer."""
    line, _, rest = content.partition(b"\n")
    facts = json.loads(line)
    count = facts["count"]
    return (
        facts,
        np.frombuffer(rest[: 8 * count], np.float32).reshape(-1, 2),
        np.frombuffer(rest[8 * count :], np.uint8),
    )


def test_the_map_has_every_test_picture(browser: TestClient, trained: Trained):
    """Positions and predictions of all 10,000 at once, by components as long as nothing else was computed."""
    folder = client.folder(trained.first)
    step = folder.logit_steps()[-1]
    facts, points, guesses = received(browser.get(f"/api/runs/{trained.first}/map?step={step}").content)
    assert (facts["count"], facts["by"], len(points), len(guesses)) == (10_000, "components", 10_000, 10_000)
    assert np.isfinite(points).all()
    images = dataset.load("test").images
    assert (guesses == opened(folder, step).logits(images).argmax(1)).all()
    pictures = browser.get("/api/pictures/test").content
    assert pictures[784 * 7 : 784 * 8] == images[7].tobytes()
    assert pictures[7_840_000:] == dataset.load("test").labels.tobytes()


@pytest.mark.parametrize(
    ("query", "status"),
    [("step=x", 400), ("step=0&of=logits", 400), ("step=0&by=x", 400), ("", 400), ("step=999999", 404)],
)
def test_the_route_is_validated(browser: TestClient, trained: Trained, query: str, status: int):
    """What is no step, run, kind or layout is refused with a word."""
    assert browser.get(f"/api/runs/{trained.first}/map?{query}").status_code == status
    assert browser.get("/api/runs/..%2F..%2Fetc/map?step=0").status_code == 404


def test_the_card_has_the_networks_probabilities(browser: TestClient, trained: Trained):
    """Of the moment and picture that are pointed at; what is neither is refused with a word."""
    folder = client.folder(trained.first)
    step = folder.logit_steps()[0]
    shares = browser.get(f"/api/runs/{trained.first}/map/answer?step={step}&index=12").json()["shares"]
    logits = opened(folder, step).logits(dataset.load("test").images[12:13])
    np.testing.assert_allclose(shares, softmax(logits)[0], atol=1e-4)
    for query, status in (("step=0", 400), ("step=x&index=1", 400), (f"step={step}&index=10000", 404)):
        assert browser.get(f"/api/runs/{trained.first}/map/answer?{query}").status_code == status


def test_a_sealed_run_has_no_map(browser: TestClient, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """What a network of an open sweep says of test pictures is not told by this route either."""
    run = client.get(trained.first)
    monkeypatch.setattr(client, "get", lambda _id: replace(run, is_sealed=True))
    for query in ("map?step=0", "map/answer?step=0&index=1"):
        assert browser.get(f"/api/runs/{trained.first}/{query}").status_code == 404


def test_maps_are_computed_once_and_kept(browser: TestClient, mapped: RunFolder):
    """Three moments and the pixels; they keep more neighbours than components do; a second time computes nothing."""
    if not neighbours.is_possible():
        pytest.skip("there is no C compiler")
    steps = maps.moments(mapped)
    assert (len(steps), sorted(map(str, maps.ready(mapped)))) == (3, sorted([*map(str, steps), "pixels"]))
    assert maps.begin(mapped) == "ready"
    files = {path: path.stat().st_mtime_ns for path in (mapped.path / "maps").glob("*.npy")}
    maps.main(str(mapped.path))
    assert {path: path.stat().st_mtime_ns for path in files} == files
    images = dataset.load("test").images[:COUNT]
    for step in steps:
        kept = maps.read(mapped, step)
        assert kept is not None
        assert kept.near[0] > kept.near[1]
        facts, points, guesses = received(browser.get(f"/api/runs/{mapped.path.name}/map?step={step}").content)
        assert (facts["count"], facts["by"], facts["near"]) == (COUNT, "neighbours", kept.near[0])
        assert (points == kept.by_neighbours).all()
        assert (guesses == opened(mapped, step).logits(images).argmax(1)).mean() > 0.999
    last = maps.read(mapped, steps[-1])
    assert last is not None
    assert abs(last.by_neighbours.std() - 1) < 1e-3
    flat = layout.principal(layout.seen_by_last_layer(opened(mapped, steps[-1]), images))[0]
    np.testing.assert_allclose(last.by_components, flat, atol=5e-3)


def test_a_damaged_map_counts_as_missing(mapped: RunFolder):
    """Half a file, and one of other columns: None, never a traceback."""
    step = maps.moments(mapped)[0]
    file = mapped.path / "maps" / f"{step:08d}.npy"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert maps.read(mapped, step) is None
    np.save(file, np.zeros((5, 2), np.float16))
    assert maps.read(mapped, step) is None


def test_what_is_drawn_around_is_counted(open_page: Open, mapped: RunFolder):
    """All pictures in the area, how many of them are wrong; a class of them with its own; then the pictures."""
    step = maps.moments(mapped)[-1]
    shown = maps.shown(mapped, step, "hidden", "neighbours", 4)
    text = "-100_-100_100_-100_100_100_-100_100"
    inside = area.contains(area.parse(text), shown.points)
    labels = dataset.load("test").labels[:COUNT]
    wrong = (shown.guesses != labels) & inside
    page = open_page(PAGE, run=mapped.path.name, view="map", area=text)
    assert not page.exception
    assert f"Drawn around: {inside.sum()} pictures, {wrong.sum()} of them wrong" in words(page)
    number = int(labels[inside][0])
    page = open_page(PAGE, run=mapped.path.name, view="map", area=text, **{"class": str(number)})
    assert f"Drawn around: {(inside & (labels == number)).sum()} picture" in words(page)
    grid = next(d for c in page.get("bidi_component") if "sprite" in (d := json.loads(c.proto.json)))
    first = int(np.flatnonzero(inside & (labels == number))[0])
    assert f"index={first}" in grid["links"][0]
    assert "area=" not in grid["links"][0]


def test_an_area_that_cannot_be_read_is_dropped(open_page: Open, mapped: RunFolder):
    """A sentence, and the map without it."""
    page = open_page(PAGE, run=mapped.path.name, view="map", area="1_2_3")
    assert not page.exception
    assert "3 to 24 corners" in words(page)
    assert "area" not in page.query_params

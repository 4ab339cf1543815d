"""What the live charts poll."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.runs import client
from fmnist_core.runs.files.record import State
from pages.parts import streamlit_inside
from pages.parts.components.live_chart.route import routes
from pages.parts.runs.now import drawn_for
from tests.pages.conftest import Trained


@pytest.fixture
def web(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    return TestClient(Starlette(routes=routes), raise_server_exceptions=False)


def test_events_come_once_and_in_order(web: TestClient, trained: Trained):
    """Following `next` to the end gives every line of the run's file, and then nothing more."""
    lines, after = [], 0
    while True:
        answer = web.get(f"/api/runs/{trained.first}/events", params={"after": after}).json()
        lines += answer["events"]
        if not answer["events"]:
            break
        after = answer["next"]
    assert answer.pop("again") >= 250
    assert answer == {"events": [], "next": after, "more": False, "state": "finished"}
    written = (trained.folder / trained.first / "events.jsonl").read_text().splitlines()
    assert lines == [json.loads(line) for line in written]
    losses = [loss for line in lines if line["event"] == "Losses" for loss in line["losses"]]
    assert np.array_equal(np.float32(losses), client.folder(trained.first).losses())
    assert len(losses) == 120


def test_a_slow_link_gets_as_little_as_it_asks_for(web: TestClient, trained: Trained):
    """With `most` each answer has about so many bytes, a longer line alone; nothing is lost, and "more" says so."""
    whole = web.get(f"/api/runs/{trained.first}/events", params={"after": 0}).json()["events"]
    lines, after, answers, more = [], 0, 0, True
    while more:
        answer = web.get(f"/api/runs/{trained.first}/events", params={"after": after, "most": 1}).json()
        lines, after, more, answers = lines + answer["events"], answer["next"], answer["more"], answers + 1
    assert lines == whole
    assert answers == len(whole)
    assert web.get(f"/api/runs/{trained.first}/events", params={"most": "-1"}).status_code == 400


@pytest.mark.parametrize("base", ["", "lab", "/a/b/"])
def test_routes_are_below_the_base_path(monkeypatch: pytest.MonkeyPatch, base: str):
    """Where a proxy gives the app a part of its addresses, `server.baseUrlPath`, our routes are in that part too."""
    monkeypatch.setattr(streamlit_inside.st, "get_option", lambda name: {"server.baseUrlPath": base}[name])
    placed = TestClient(Starlette(routes=streamlit_inside.at_base(routes)))
    inside = "/".join(["", *filter(None, base.split("/"))])
    assert placed.get(f"{inside}/api/plotly.js").status_code == 200
    assert placed.get(f"{inside}/api/runs/x/events").status_code == 404
    assert placed.post(f"{inside}/api/plotly.js").status_code == 405
    assert base == "" or placed.get("/api/plotly.js").status_code == 404


@pytest.mark.parametrize("run", ["0123456789ab", "..%2F..%2Fetc", "x", "%00", "0123456789AB"])
def test_unknown_run_is_not_found(web: TestClient, run: str):
    """404 and one sentence, whatever the id looks like."""
    answer = web.get(f"/api/runs/{run}/events")
    assert answer.status_code == 404


@pytest.mark.parametrize("after", ["-1", "1e3", "٣", "x", "9" * 100, ""])
def test_cursor_must_be_a_number_of_bytes(web: TestClient, trained: Trained, after: str):
    """400, never a traceback."""
    assert web.get(f"/api/runs/{trained.first}/events", params={"after": after}).status_code == 400


def test_cursor_past_the_end_is_answered_by_the_end(web: TestClient, trained: Trained):
    """A chart that has heard more than there is starts from what there is."""
    size = (trained.folder / trained.first / "events.jsonl").stat().st_size
    answer = web.get(f"/api/runs/{trained.first}/events", params={"after": size + 10}).json()
    assert answer["events"] == []
    assert answer["next"] == size


def test_nothing_can_be_changed(web: TestClient, trained: Trained):
    """Only reading: everything else is refused."""
    for method in ("post", "put", "delete", "patch"):
        assert getattr(web, method)(f"/api/runs/{trained.first}/events").status_code == 405


def test_chart_library_comes_from_the_installed_package(web: TestClient):
    """No content delivery network: plotly.js is served from here, to be kept by the browser."""
    answer = web.get("/api/plotly.js")
    assert answer.status_code == 200
    assert "plotly.js v" in answer.text[:200]
    assert "immutable" in answer.headers["cache-control"]


def test_figures_above_the_chart_come_with_its_last_answer(web: TestClient, trained: Trained):
    """State, words and figures as plain text; a page that was drawn for this state is not drawn again."""
    answer = web.get(f"/api/runs/{trained.first}/events", params={"now": "1"}).json()
    run = client.get(trained.first)
    assert run.latest
    assert answer["now"]["key"] == drawn_for(run)
    assert (answer["now"]["state"], answer["now"]["title"], answer["now"]["progress"]) == ("finished", "Finished", 1.0)
    assert answer["now"]["figures"][0]["value"] == f"{100 * run.latest.test.accuracy:.2f}\u00a0%"
    stopping = replace(run, state=State.RUNNING, stopping=True)
    assert drawn_for(stopping) != drawn_for(replace(run, state=State.RUNNING))
    assert drawn_for(replace(run, state=State.RUNNING)) == drawn_for(replace(run, state=State.QUEUED))

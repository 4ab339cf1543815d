"""The lists of runs that follow by themselves: what is asked for again and again, and what it may say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.runs import client
from fmnist_core.runs.files.record import State
from fmnist_core.runs.queue import Waiting
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from pages.parts.components.run_table import route
from pages.parts.runs import now
from pages.parts.runs.rows import row, settings
from tests.pages.conftest import Open, Trained, words
from tests.pages.test_train import PAGE


def test_list_comes_once_and_again_only_when_it_has_changed(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """A version stands for the rows: who knows it gets a few bytes. A new name is a new version."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    monkeypatch.setattr(route._answers, "seconds", 0.0)
    web = TestClient(Starlette(routes=route.routes))
    first = web.get("/api/runs").json()
    assert [found["id"] for found in first["rows"]] == [trained.second, trained.first]
    assert web.get("/api/runs", params={"known": first["version"]}).json() == {
        "version": first["version"],
        "again": 1500,
    }
    run = client.get(trained.second)
    client.rename(trained.second, "Renamed")
    again = web.get("/api/runs", params={"known": first["version"]}).json()
    client.rename(trained.second, run.name)
    assert again["version"] != first["version"]
    assert again["rows"][0]["title"] == "Renamed"


def test_row_says_what_is_known_and_a_dash_for_the_rest(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Accuracy as on Test; before the first epoch, and of nobody, a dash; a share only while it trains."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    run = client.get(trained.first)
    assert run.latest
    assert run.latest.test
    shown = row(run)
    assert shown["accuracy"] == f"{100 * run.latest.test.accuracy:.2f}\u00a0%"
    assert (shown["epochs"], shown["owner"], shown["words"]) == ("1 of 1", "–", "Finished")
    fresh = replace(run, measured=run.measured[:1], state=State.RUNNING, step=60, seconds=0.0)
    assert (row(fresh)["accuracy"], row(fresh)["time"], row(fresh)["words"]) == ("–", "–", "Training 50\u00a0%")
    silent = replace(fresh, stalled=True)
    assert row(silent)["words"] == now.now(silent)["title"] == "Stalled"
    for measuring in (replace(silent, measured=(), step=0), replace(silent, step=120)):
        assert row(measuring)["words"] == now.now(measuring)["title"] == "Measuring"
        assert now.now(measuring)["state"] == State.RUNNING
    waiting = replace(run, state=State.QUEUED)
    assert row(waiting, 0, Waiting(waiting, 1, 0.0))["words"] == "Starts next"
    assert row(waiting, 0, Waiting(waiting, 3, 75.0))["words"] == "Number 3 in the queue, in about 1 min 15 s"


def test_settings_are_said_by_recipe_or_by_what_differs():
    """A recipe by its name, with another seed too; else what is not the tutorial's, without exponents."""
    assert settings(TrainingConfig()) == "Tutorial"
    assert settings(replace(RECIPES["fast"].config, seed=3)) == "Fast, seed 3"
    assert settings(TrainingConfig(learning_rate=1e-5, epochs=1)) == "1 epoch, learning rate 0.00001"


def test_ticks_are_in_the_address(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """A run that is laid over another, a filter and a grouping: a link shows the same; hostile ones are answered."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(
        PAGE, run=trained.first, beside=f"{trained.second},zzz", whose="mine", grouped="person", state="finished"
    )
    assert not page.exception
    assert not page.warning
    refused = open_page(PAGE, whose="<b>", grouped="x" * 100_000, state="٣", beside="\0")
    assert not refused.exception
    assert words(refused).count("The address says") == 4


def test_what_others_did_is_not_called_mine(open_page: Open, empty: Path):
    """Home counts one's own runs; those of others are said to be theirs."""
    run_id = client.start(TrainingConfig(batch_size=6000, epochs=1), owner="Somebody Else")
    client.stop(run_id)
    page = open_page("app.py")
    assert not page.exception
    badges = " ".join(str(badge.value) for badge in page.markdown)
    assert "1 by others" in badges
    assert "1 finished" not in badges

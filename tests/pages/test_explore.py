"""The Explore page: a race from its settings to its chart."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.jobs import Race
from fmnist_core.runs import client
from tests.pages.conftest import HOSTILE, Open, Trained, words
from tests.pages.test_train import wait_for

PAGE = "pages/8_explore.py"


def test_race_starts_with_what_the_controls_show(open_page: Open, empty: Path):
    """In the queue as a job, its id in the address; images are held out, so that no test image is looked at."""
    page = open_page(PAGE, copies="2", vary="learning_rate", low="0.01", high="1", batch_size="512")
    page.button(key="start_race").click().run()
    assert not page.exception
    race_id = page.query_params["race"]
    run = client.get(race_id)
    assert run.job == Race(copies=2, vary="learning_rate", lowest=0.01, highest=1.0)
    assert run.config.validation == 10_000
    assert run.config.batch_size == 512
    assert "2 learning rates" in words(page)
    client.stop(race_id)
    wait_for(race_id, "stopped", "finished")
    page.run()
    assert not page.exception
    assert client.list_runs() == []
    assert [run.id for run in client.list_jobs(Race)] == [race_id]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", ["copies", "vary", "rate", "epochs", "batch_size", "seed", "race", "dropout"])
def test_nonsense_is_answered_by_the_default(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    """A notice, never an exception."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, **{name: value})
    assert not page.exception
    assert len(page.warning) == 1


def test_run_is_no_race(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """The id of an ordinary run in the place of a race's."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, race=trained.first)
    assert not page.exception
    assert "not here" in page.warning[0].value

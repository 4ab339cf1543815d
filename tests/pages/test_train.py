"""The Train page: settings, start, stop, and what an address may bring."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from pages.parts import starting
from pages.parts.runs import now
from pages.parts.runs.rows import rows
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/4_train.py"


def wait_for(run_id: str, *states: str) -> Run:
    """The run, once it is in one of these states."""
    deadline = time.monotonic() + 240  # many tests may share the machine
    while (run := client.get(run_id)).state not in states:
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
    return run


def test_controls_start_at_the_tutorials_settings(open_page: Open, empty: Path):
    """Learning rate 0.001, 20 epochs, batch 20, SGD with momentum 0.9, dropout 0.4."""
    page = open_page(PAGE, "group_optimizer", "group_network")
    assert not page.exception
    assert page.select_slider(key="chosen_learning_rate").value == 0.001
    assert page.slider(key="chosen_epochs").value == 20
    assert page.number_input(key="chosen_batch_size").value == 20
    assert page.select_slider(key="chosen_momentum").value == 0.9
    assert page.selectbox(key="chosen_optimizer").value == "sgd"
    assert page.select_slider(key="chosen_dropout").value == 0.4
    assert "60,000 weight updates" in words(page)


def test_start_puts_the_chosen_settings_into_the_background(open_page: Open, empty: Path):
    """The run gets what the controls show, the page its address; a stop from the page ends it, measured."""
    page = open_page(PAGE, batch_size="600", epochs="3", learning_rate="0.02", seed="7")
    page.text_input(key="name").input("From the page").run()
    page.button(key="start").click().run()
    assert not page.exception
    run_id = page.query_params["run"]
    run = client.get(run_id)
    assert run.config == TrainingConfig(batch_size=600, epochs=3, learning_rate=0.02, seed=7)
    assert run.title == "From the page"
    wait_for(run_id, "running")
    page.run()
    page.button(key="stop").click().run()
    assert not page.exception
    run = wait_for(run_id, "stopped", "finished")
    assert run.latest


def test_double_click_starts_one_run(open_page: Open, empty: Path, monkeypatch: pytest.MonkeyPatch):
    """After a start the button is another one, for what was still on its way to the first, and deaf for a moment."""
    monkeypatch.setattr(starting, "DOUBLE_CLICK", 3_600)
    page = open_page(PAGE, batch_size="6000", epochs="1")
    first = page.button(key="start").click()
    page.run()
    assert first.proto.id not in {button.proto.id for button in page.button}
    page.button(key="start_1").click().run()
    assert len(client.list_runs()) == 1
    monkeypatch.setattr(starting, "DOUBLE_CLICK", 0)
    page.button(key="start_1").click().run()
    assert len(client.list_runs()) == 2


@pytest.mark.slow
def test_diverged_run_says_why_and_one_click_trains_with_a_smaller_rate(open_page: Open, empty: Path):
    """Step and learning rate are named; the button starts the same with a tenth of the rate, and shows it."""
    run_id = client.start(
        TrainingConfig(learning_rate=10.0, conv1_channels=64, conv2_channels=64, hidden_units=2048, dropout=0.9)
    )
    wait_for(run_id, "diverged")
    page = open_page(PAGE, run=run_id)
    assert "learning rate 10" in words(page)
    page.button(key="next").click().run()
    assert not page.exception
    (started,) = [run for run in client.list_runs() if run.id != run_id]
    client.stop(started.id)
    assert page.query_params["run"] == started.id
    assert started.config.learning_rate == 1.0
    assert page.select_slider(key="chosen_learning_rate").value == 1.0


@pytest.mark.slow
def test_run_that_learned_nothing_is_not_passed_over(open_page: Open, empty: Path):
    """At chance, the page says so, why (dead units, counted), and offers a smaller learning rate."""
    run_id = client.start(TrainingConfig(batch_size=60, epochs=1, learning_rate=1.0))
    wait_for(run_id, "finished")
    page = open_page(PAGE, run=run_id)
    assert "It learned nothing" in words(page)
    assert re.search(r"\d+ of (20|50) (filters of conv2|hidden units) are dead", words(page))
    assert "Try learning rate" in page.button(key="next").label


@pytest.mark.slow
def test_the_same_without_dropout_is_one_click(open_page: Open, empty: Path):
    """Nothing else differs; it lies over the chart, and once it is measured the comparison is one click more."""
    run_id = client.start(TrainingConfig(batch_size=6000, epochs=1))
    wait_for(run_id, "finished")
    page = open_page(PAGE, run=run_id)
    page.button(key="without_dropout").click().run()
    assert not page.exception
    (twin,) = [run for run in client.list_runs() if run.id != run_id]
    assert twin.config == TrainingConfig(batch_size=6000, epochs=1, dropout=0.0)
    assert page.query_params["run"] == run_id
    assert page.query_params["beside"] == twin.id
    wait_for(twin.id, "finished")
    page.run()
    (link,) = [link for link in page.get("page_link") if link.proto.label == "Compare with and without"]
    assert link.proto.query_string == f"runs={run_id}%2C{twin.id}"
    assert "without_dropout" not in {button.key for button in page.button}
    assert "What dropout does" not in words(open_page(PAGE, run=twin.id))


def test_finished_run_shows_its_figures(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Accuracy before and now, and the way to its test."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    run = client.get(trained.first)
    page = open_page(PAGE, run=trained.first)
    assert not page.exception
    assert run.before
    assert run.latest
    accuracy, epoch, *_ = now.figures(run)
    assert accuracy.value == f"{100 * run.latest.test.accuracy:.2f}\u00a0%"
    assert accuracy.note == f"before: {100 * run.before.test.accuracy:.2f}\u00a0%"
    assert (epoch.value, epoch.note) == ("1.0 of 1", "step 120")
    assert [row["words"] for row in rows()] == ["Finished", "Finished"]
    page.button(key="again").click().run()
    assert page.select_slider(key="chosen_learning_rate").value == 0.05


@pytest.mark.parametrize(
    "run",
    [
        "../../etc/passwd",
        "x" * 100_000,
        *(pytest.param(r, marks=pytest.mark.thorough) for r in ("0" * 12, "<b>", "\0")),
    ],
)
def test_unknown_run_is_said(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, run: str):
    """No such run, and the list; never a path, never a traceback."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, run=run)
    assert not page.exception
    is_refused_at_once = len(run) > 60 or not run.isprintable()
    assert ("The address says run" if is_refused_at_once else "No such run") in words(page)
    assert "passwd" not in words(page)
    assert len(rows()) == 2


def test_where_runs_cannot_be_written_the_page_says_why(monkeypatch: pytest.MonkeyPatch, open_page: Open):
    """A folder that nobody can write to, the superuser neither: looking works, starting says why it does not."""
    monkeypatch.setenv("FMNIST_RUNS", "/proc/fashion-mnist-lab")
    page: AppTest = open_page(PAGE)
    assert not page.exception
    page.button(key="start").click().run()
    assert not page.exception
    why = " ".join(error.value for error in page.error)
    assert "A run cannot be started" in why or "MB are free on the disk" in why  # whichever was found first


@pytest.mark.slow
def test_cleared_caches_are_noticed_by_nobody(open_page: Open, empty: Path):
    """Any browser can have Streamlit's caches cleared for everyone: the run goes on, the page is drawn again."""
    run_id = client.start(TrainingConfig(batch_size=600, epochs=2))
    wait_for(run_id, "running")
    page = open_page(PAGE, run=run_id)
    st.cache_data.clear()
    st.cache_resource.clear()
    page.run()
    assert not page.exception
    run = wait_for(run_id, "finished")
    assert run.step == 200
    assert run.deaths == 0


def test_what_a_button_opens_is_drawn_once_it_is_open(open_page: Open, empty: Path):
    """Branch, name and note, the end for good: from the button that opens each to what it does."""
    run_id = client.start(TrainingConfig(batch_size=600, epochs=1, step_limit=3), "Opened")
    wait_for(run_id, "finished")
    page = open_page(PAGE, run=run_id)
    assert not {"start_branch", "delete"} & {button.key for button in page.button}

    page.session_state[f"label_{run_id}"] = True
    page.run()
    page.text_area[0].input("What came of it")
    (save,) = [button for button in page.button if button.label == "Save"]
    save.click().run()
    assert client.get(run_id).note == "What came of it"

    page.session_state[f"branch_{run_id}"] = True
    page.run()
    page.button(key="start_branch").click().run()
    branch = page.query_params["run"]
    assert client.get(branch).parent == (run_id, 0)
    assert "start_branch" not in {button.key for button in page.button}
    wait_for(branch, "finished")

    page.session_state[f"delete_{branch}"] = True
    page.run()
    page.checkbox(key=f"sure_{branch}").check().run()
    page.button(key="delete").click().run()
    assert not page.exception
    assert "run" not in page.query_params
    deadline = time.monotonic() + 60  # its worker may still have it: then the dispatcher removes it a moment later
    while len(client.list_runs()) > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [run.id for run in client.list_runs()] == [run_id]


def test_a_page_of_a_run_has_few_elements(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Each is a message, and a third of a millisecond of the server's processor every time somebody clicks: a class has a hundred.

    What is folded, or opens only with a click, is not drawn before. Who adds an element for all raises the bound, and knows why.
    """
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, run=trained.first)

    def count(node: Any) -> int:
        return 1 + sum(map(count, getattr(node, "children", {}).values()))

    assert count(page._tree) <= 80

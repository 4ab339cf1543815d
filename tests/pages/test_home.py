"""The home page: the way, and what has been done."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.data import dataset
from fmnist_core.runs import cards, client
from fmnist_core.runs.files.record import State
from pages.parts import frame
from pages.parts.runs import now
from tests.pages.conftest import Open, Trained, words

PAGES = ["app.py", *(step.script for step in frame.STEPS)]


def test_steps_stand_in_order_and_the_button_leads_to_the_first(open_page: Open, empty: Path):
    """The steps in their order; nothing done yet; one button."""
    page = open_page("app.py")
    assert not page.exception
    assert page.button(key="first_step").label == "Start with step 1: Browse"
    text = words(page)
    assert [text.index(step.words) for step in frame.STEPS] == sorted(text.index(step.words) for step in frame.STEPS)
    assert "60,000 + 10,000 pictures" in text
    assert "None yet" in text


def test_finished_runs_are_counted_and_the_best_named(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch
):
    """What has been done is said beside each step."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page("app.py")
    assert not page.exception
    assert "2 finished" in words(page)
    assert "Best so far" in words(page)


def test_gpus_are_named_with_the_memory_in_use(
    open_page: Open, trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """On Home each card, and beside a run that trains on one what is in use there. The driver is a program of its name."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 3200, 81559'\n")
    (tmp_path / "nvidia-smi").chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(cards, "_answered", None)
    monkeypatch.setattr(client, "devices", lambda: ("cuda", "cpu"))
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page("app.py")
    assert not page.exception
    assert "NVIDIA H100 80GB HBM3" in words(page)
    assert "3.1 of 80 GB in use. Also there: CPU." in words(page)
    run = replace(client.get(trained.first), device="cuda", card="NVIDIA H100 80GB HBM3, 79 GB", state=State.RUNNING)
    assert now.figures(run)[-1].note == "NVIDIA H100 80GB HBM3, 79 GB, 3.1 of 80 GB in use"


@pytest.mark.parametrize("script", PAGES)
def test_without_a_data_set_each_page_says_where_to_put_it(
    open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: Trained, script: str
):
    """The sentence and a way out, never a traceback. Train, Test and Compare need no more than is stored with runs."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = open_page(script)
    assert not page.exception
    if script != "pages/4_train.py":
        assert any("put the four published archives" in error.value for error in page.error)


def test_truncated_archive_is_named_on_the_page(open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The file and what is wrong with it."""
    raw = tmp_path / "FashionMNIST" / "raw"
    shutil.copytree(dataset.HOME / "FashionMNIST" / "raw", raw, ignore=shutil.ignore_patterns("*-ubyte"))
    archive = raw / "train-images-idx3-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:1000])
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path))
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = open_page("pages/2_image.py")
    assert not page.exception
    assert any("is truncated" in error.value.replace("\\", "") for error in page.error)

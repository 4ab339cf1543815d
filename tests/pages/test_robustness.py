"""Test's view of changed pictures, computed for real by its own process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from fmnist_core.data import dataset
from fmnist_core.evaluation.robustness import CHANGES
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import changed
from fmnist_core.runs.service.background import NO_WEIGHTS
from fmnist_core.studies.robust import fallen, robustness
from tests.pages.conftest import ROOT, Open, Trained, words

pytestmark = pytest.mark.thorough  # every change to all test pictures is computed, which takes seconds

PAGE = "pages/5_test.py"


@pytest.fixture
def step(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> int:
    """The last moment of the first run, whose changed pictures have been computed."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    last = client.get(trained.first).latest.step
    if changed.read(client.folder(trained.first), last) is None:
        command = [
            sys.executable,
            "-m",
            "fmnist_core.runs.service.changed",
            str(trained.folder / trained.first),
            str(last),
        ]
        in_c = os.environ | {"FMNIST_COMPILED": "1"}  # where there is a compiler: in half the time
        subprocess.run(command, check=True, cwd=ROOT, env=in_c)
    return last


def test_counts_what_the_network_says(trained: Trained, step: int):
    """One condition computed again in NumPy gives the same classes; the unchanged ones are the run's own score."""
    folder, test = client.folder(trained.first), dataset.load("test")
    predicted = changed.read(folder, step)
    pictures = CHANGES["shift"].apply(test.images[:400], 3)
    again = opened(folder, step).logits(pictures).argmax(axis=1)
    assert (again == predicted["shift", 3][:400]).mean() > 0.995  # float rounding may decide a tie
    unchanged = folder.logits(step).argmax(axis=1).astype(np.uint8)
    found = robustness(unchanged, predicted, test.labels)
    assert found.unchanged.accuracy == client.get(trained.first).latest.test.accuracy
    assert found.points["shift", 1].accuracy > found.points["shift", 4].accuracy
    low, high = found.points["turn", 15].interval
    assert low < found.points["turn", 15].accuracy < high
    lost = fallen(unchanged, predicted["turn", 15], test.labels)
    gained = ((unchanged != test.labels) & (predicted["turn", 15] == test.labels)).sum()
    assert found.points["turn", 15].correct == found.unchanged.correct - len(lost) + gained
    half = np.arange(10_000) < 5_000
    assert robustness(unchanged, predicted, test.labels, half).unchanged.total == 5_000
    assert fallen(unchanged, predicted["turn", 15], test.labels, half).max() < 5_000


def test_the_view(trained: Trained, step: int, open_page: Open):
    """Both numbers, a chart for each change, and the pictures that fell."""
    page = open_page(PAGE, run=trained.first, view="robustness", changed="turn", strength="3")
    assert not page.exception
    assert len(page.get("plotly_chart")) == sum(bool(change.strengths) for change in CHANGES.values())
    assert "fell: right as they are, wrong after this change: turned, 15 degrees" in words(page)
    assert any("Mean over all changes" in block.body for block in page.get("html"))


def test_damaged_files_are_computed_again_or_said(trained: Trained, step: int):
    """A file of another shape is not believed; without weights the process says so by its status."""
    folder = client.folder(trained.first)
    file = folder.path / "changed" / f"{step:08d}-v{changed.VERSION}.npy"
    content = file.read_bytes()
    try:
        for wrong in (b"", content[:200], content[:-1]):
            file.write_bytes(wrong)
            assert changed.read(folder, step) is None
    finally:
        file.write_bytes(content)
    command = [sys.executable, "-m", "fmnist_core.runs.service.changed", str(folder.path), "999999"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == NO_WEIGHTS

"""The notebook proves itself: executed by Jupyter's own client in a folder of its own, it ends in the run's bits."""

from __future__ import annotations

import ast
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from fmnist_core.data import dataset
from fmnist_core.export.history import ExportRefused, history_of, recorded_losses
from fmnist_core.export.notebook import notebook
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Moment, Run
from fmnist_core.training.compiled import engine, library
from fmnist_core.training.events import Changed
from tests.workshop import OPEN, Workshop, with_ear

EQUAL = "Equal to the last bit: all {steps:,} losses and the weights (SHA-256 "


def executed(content: bytes, place: Path) -> list[str]:
    """What each cell printed. The images are there as torchvision would have downloaded them."""
    root = (
        dataset.cache_folder()
        if not (dataset.data_folder() / "FashionMNIST/raw/t10k-labels-idx1-ubyte").exists()
        else dataset.data_folder()
    )
    (place / "data").symlink_to(root)
    cells = nbformat.reads(content.decode(), as_version=4)
    nbformat.validate(cells)
    NotebookClient(
        cells, timeout=900, startup_timeout=300, kernel_name="python3", resources={"metadata": {"path": str(place)}}
    ).execute()
    code = [cell for cell in cells.cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in code]


def imported(content: bytes) -> set[str]:
    """The packages that its cells import."""
    code = "\n".join(
        cell.source
        for cell in nbformat.reads(content.decode(), as_version=4).cells
        if cell.cell_type == "code" and not cell.source.startswith("%%writefile")
    )
    found = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import():
                found |= {alias.name.partition(".")[0] for alias in node.names}
            case ast.ImportFrom():
                found.add((node.module or "").partition(".")[0])
    return found


def certified(run: Run, place: Path) -> list[str]:
    """What the notebook of `run` printed, once it has found itself equal."""
    content = notebook(run)
    assert b"fmnist_core" not in content
    assert imported(content) - sys.stdlib_module_names == {"numpy", "torch", "torchvision"}
    printed = executed(content, place)
    assert printed[-1].startswith(EQUAL.format(steps=run.step)), printed[-1]
    return printed


@pytest.mark.thorough
def test_a_steered_branch_of_a_branch(branched: Run, tmp_path: Path):
    """Every change and every branch from the first step on is in it; with PyTorch the last bit is the run's."""
    printed = certified(branched, tmp_path)
    assert branched.latest
    right = sum(branched.latest.test.correct)
    assert f"Test Accuracy (Overall): {right // 100:2d}% ({right}/10000)" in "".join(printed)
    text = notebook(branched).decode()
    assert "After step 20 somebody changed the settings: learning rate 0.2, momentum 0.8." in text
    assert r"After step 120 third \\<b\\>\\*x\\*\\<\\/b\\> \\$y\\$ (run" in text  # shown as these characters


@pytest.mark.slow
@pytest.mark.skipif(library.compiler() is None, reason="there is no C compiler")
def test_the_compiled_engine(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The C files travel along and are compiled by the notebook: equal, across a change, and into a branch in PyTorch."""
    monkeypatch.setenv("FMNIST_COMPILED", "1")
    engine.prepare()
    first = workshop.train(
        "compiled", optimizer="nesterov", schedule="one-cycle", shift=1, planned=[Changed(20, 0.05, 0.8)], compiled=True
    )
    assert first.engine == "compiled"
    second = workshop.train(
        "left it", parent=Moment(first.id, 60), epochs=2, step_limit=80, loss="one-vs-rest", learning_rate=0.01, compiled=True,
        optimizer="nesterov",
    )  # fmt: skip
    assert second.engine == "torch"
    certified(second, tmp_path)
    assert b"C of another version" not in notebook(second)
    monkeypatch.setattr("fmnist_core.export.notebook.fingerprint", lambda: "0123456789abcdef")
    assert b"C of another version" in notebook(second)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"conv1_channels": 10, "conv2_channels": 20, "hidden_units": 50, "batch_size": 20, "step_limit": 300, "learning_rate": 0.001},
        {"optimizer": "adam", "schedule": "step", "learning_rate": 0.01, "shift": 2, "flip": True, "erase": 6, "weight_decay": 0.01},
        {"architecture": "residual", "optimizer": "muon", "schedule": "one-cycle", "learning_rate": 0.02, "step_limit": 5,
         "batch_size": 256, "label_smoothing": 0.05, "standardise": True, "shift": 1, "flip": True, "flip_test": True},
        {"architecture": "perceptron", "optimizer": "adam", "learning_rate": 0.01, "step_limit": 30},
        {"architecture": "linear", "loss": "one-vs-rest", "label_smoothing": 0.1, "schedule": "cosine", "step_limit": 30},
    ],
    ids=["tutorial", "adam", "residual", "perceptron", "logistic"],
)  # fmt: skip
def test_other_settings(workshop: Workshop, tmp_path: Path, settings: dict[str, object]):
    """Optimizers, schedules, augmentation and the other networks: what ours did is what the notebook does."""
    certified(workshop.train("-".join(map(str, settings.values())), tested_on=500, **settings), tmp_path)


@pytest.mark.slow
def test_the_chosen_run_of_a_sweep(workshop: Workshop, tmp_path: Path):
    """While the sweep is open, the notebook tests on the held-out images and carries no test result; then it does."""
    run = workshop.train("candidate", group=OPEN, validation=10_000, fold=1)
    text = notebook(run).decode()
    assert "test_images" not in text.partition("Accuracy before training")[2]
    certified(run, tmp_path)
    choice = workshop.runs / ".sweeps" / "00000000cafe"
    choice.parent.mkdir(exist_ok=True)
    choice.write_text(run.id)
    try:
        (tmp_path / "chosen").mkdir()
        printed = certified(client.get(run.id), tmp_path / "chosen")
        assert any("Overall" in lines and "/10000)" in lines for lines in printed)
    finally:
        choice.unlink()


@pytest.mark.slow
def test_a_branch_whose_parent_is_gone(
    workshop: Workshop, branched: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Then it begins with the state that the branch was given, and says so."""
    runs = tmp_path / "runs"
    shutil.copytree(workshop.runs / branched.id, runs / branched.id)
    with_ear(runs)
    monkeypatch.setenv("FMNIST_RUNS", str(runs))
    content = notebook(branched)
    printed = executed(content, tmp_path)
    assert printed[-1].startswith(EQUAL.format(steps=30))
    assert "Its first 120 steps were taken by a run that is not here any more" in content.decode()


@pytest.mark.slow
def test_what_differs_is_said(branched: Run, tmp_path: Path):
    """A notebook in which somebody has changed a number does not call itself equal: it says from which step on."""
    content = notebook(branched).replace(b"learning_rate = 0.05", b"learning_rate = 0.049")
    content = content.replace(b"learning_rate = 0.2\\n", b"learning_rate = 0.21\\n")
    printed = executed(content, tmp_path)[-1]
    assert printed.startswith("Not equal to the last bit.")
    assert "The first that differs is that of step 22 of this notebook" in printed
    assert "Right at the end:" in printed


def test_nothing_was_trained(workshop: Workshop):
    """A run without a checkpoint gives no notebook, but a sentence."""
    run = workshop.train("to be empty", step_limit=1)
    with pytest.raises(ExportRefused, match="no trained network yet"):
        notebook(replace(run, step=0))


def test_a_run_that_diverged(workshop: Workshop):
    """Its last finite weights can be taken away; the notebook ends where they stand."""
    run = workshop.train(  # from step 61 on each weight becomes its eightfold
        "too fast", ends="diverged", architecture="linear", epochs=3, weight_decay=0.9, planned=[Changed(61, 10.0, 0.0)]
    )
    history = history_of(run)
    assert history.last == 60 < run.step
    assert np.isfinite(history.losses()).all()
    assert len(history.losses()) == 60
    assert "train(60)" in notebook(run).decode()


@pytest.mark.slow
def test_a_damaged_record(workshop: Workshop, elsewhere: Path):
    """A line of losses that cannot be read: no notebook, with a sentence; the table leaves those steps out."""
    run = workshop.train("plain", epochs=2)
    shutil.copytree(workshop.runs / run.id, elsewhere / run.id)
    path = elsewhere / run.id / "events.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if b'"Losses"' in line][1]
    lines[at] = b"#" + lines[at]
    path.write_bytes(b"".join(lines))
    with pytest.raises(ExportRefused, match=r"events\.jsonl is damaged"):
        notebook(client.get(run.id))
    steps, losses = recorded_losses(client.get(run.id))
    assert len(steps) == len(losses) < 120
    assert steps[-1] == 120


def test_the_history_is_whole(branched: Run):
    """Its stretches follow each other without a gap, and each loss is there once."""
    history = history_of(client.get(branched.id))
    assert [(stretch.first, stretch.last) for stretch in history.stretches] == [
        (0, 20),
        (20, 60),
        (60, 90),
        (90, 120),
        (120, 150),
    ]
    assert len(history.losses()) == 150
    assert [run.name for run in history.lineage][:2] == ["first", "second"]

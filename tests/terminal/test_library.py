"""The documented lines do what they say, with a real dispatcher and worker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.record import State
from tests.dispatchers import Dispatchers

DOCS = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text()


def test_ten_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dispatchers: Dispatchers, capsys: pytest.CaptureFixture[str]
):
    """A run is started, watched to its end and drawn; its predictions are those that were measured."""
    runs = tmp_path / "runs"
    runs.mkdir()
    monkeypatch.setenv("FMNIST_RUNS", str(runs))
    monkeypatch.chdir(tmp_path)
    (lines,) = re.findall(r"```python\n(.+?)```", DOCS, re.DOTALL)
    assert len([line for line in lines.splitlines() if line]) <= 10
    shorter = lines.replace(
        'RECIPES["fast"].config', "TrainingConfig(batch_size=100, epochs=1, learning_rate=0.05, hidden_units=10)"
    )
    dispatchers.start(runs)
    try:
        names: dict[str, object] = {}
        exec(shorter, names)
        (run,) = client.list_runs()
        assert run.state is State.FINISHED
        printed = capsys.readouterr().out.splitlines()
        assert printed[0].startswith("500 ")
        assert run.latest
        assert run.latest.test
        assert printed[-1] == f"{run.latest.test.accuracy:.2%} of the test images"
        classes, confidences = names["classes"], names["confidences"]
        assert (classes.shape, classes.dtype, confidences.dtype) == ((10_000,), "uint8", "float32")  # type: ignore[attr-defined]
        assert "run.html" in [path.name for path in tmp_path.iterdir()]
    finally:
        dispatchers.end(runs)

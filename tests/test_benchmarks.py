"""`make bench` ends: each benchmark has a share of the time, and one that overruns it is ended with what it has started."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path

import pytest

from benchmarks import turns

bench = importlib.import_module("benchmarks.__main__")
README = (turns.ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")

SLOW = """
import pathlib, time
from benchmarks import turns
try:
    for _round in turns.rounds(1000):
        time.sleep(60)
finally:
    pathlib.Path("tidied").touch()
"""


def test_shares():
    """Together they are all of the time; each is a module that the table explains."""
    assert sum(bench.SHARES.values()) == pytest.approx(1)
    for name in bench.SHARES:
        assert (turns.ROOT / "benchmarks" / f"{name}.py").exists()
        assert f"| `{name}` |" in README


def test_one_that_is_not_done_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """It tidies up after itself, a line says so, and the status tells."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "slow.py").write_text(SLOW)
    shutil.copy(turns.__file__, tmp_path / "benchmarks")
    monkeypatch.setattr(bench, "SHARES", {"slow": 1.0})
    monkeypatch.setattr(bench, "WHOLE", 2)
    monkeypatch.setattr(bench, "QUICKLY", 2)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert bench.main() == 1
    assert "slow: was not done in 2 s" in capfd.readouterr().out
    assert (tmp_path / "tidied").exists()


def test_fewer_rounds_where_time_is_short(monkeypatch: pytest.MonkeyPatch):
    """As many as fit, one at least."""
    clock = [0.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(turns, "BEGAN", 0.0)
    monkeypatch.setattr(turns, "IS_QUICK", False)

    def taken(seconds: float, wanted: int, each: float) -> int:
        clock[0] = 0.0
        monkeypatch.setattr(turns, "SECONDS", seconds)
        count = 0
        for _round in turns.rounds(wanted):
            clock[0] += each
            count += 1
        return count

    assert taken(10, 5, 1.0) == 5
    assert taken(10, 50, 3.0) == 3
    assert taken(10, 50, 30.0) == 1

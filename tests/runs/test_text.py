"""Names and notes from people: in a list on the terminal, in a table for a spreadsheet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.text import cell, lines, one_line
from fmnist_core.settings.config import TrainingConfig
from tests.workshop import with_ear

PERSIAN, FAMILY, ENGLAND = "نیم\u200cفاصله", "👨\u200d👩\u200d👧", "\U0001f3f4\ufe0f"
HOSTILE = "\x1b]0;title\x07\x1b[2J red\r\nroot@host:~# \u202egnp.exe \x9b31m"


@pytest.mark.parametrize("name", [PERSIAN, FAMILY, ENGLAND, "Zoë · 王 · \u00a0x"])
def test_joiners_and_signs_stay(name: str):
    """What a word or an emoji is made with is part of it."""
    assert one_line(name) == name
    assert cell(name) == name


def test_a_name_is_one_line_that_moves_no_cursor():
    """No escape sequence, line break or change of direction is left, and a lone surrogate can be encoded."""
    kept = one_line(HOSTILE + "\ud800")
    assert not set("\x1b\x07\r\n\u202e\x9b") & set(kept)
    assert kept.encode()
    assert lines("one\ntwo\x1b") == "one\ntwo"


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "＝1"])
def test_no_cell_is_a_formula(name: str):
    """A spreadsheet shows the name, and computes nothing; the page shows the same characters."""
    assert cell(name)[0] == "\u2060"
    assert cell(name)[1:] == name


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_the_list_on_a_terminal_has_one_line_for_each_run(tmp_path: Path, locale: dict[str, str]):
    """A run that another program named, escape sequences and all, is listed without them, in whatever locale."""
    RunFolder.create(tmp_path, "0123456789ab", 1, HOSTILE, TrainingConfig(), owner=PERSIAN)
    RunFolder.create(tmp_path, "0123456789ac", 2, PERSIAN, TrainingConfig())
    with_ear(tmp_path)  # else they would be trained beside all other tests
    said = subprocess.run(
        [sys.executable, "-m", "fmnist_core.runs", "list"],
        env={"FMNIST_RUNS": str(tmp_path), "PATH": "", **locale},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        timeout=120,
        check=True,
    ).stdout.decode(errors="replace")
    assert "0123456789ab" in said
    assert len(said.splitlines()) == 3  # with the heading
    assert "\x1b" not in said

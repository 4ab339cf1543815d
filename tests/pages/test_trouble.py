"""What the page Train says of things that keep runs from starting, and of records that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.runs import client
from pages.parts import frame
from tests.pages.conftest import Open
from tests.runs.hostile import finished

RUN = "0123456789ab"


def test_train_says_what_is_wrong(open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A setting of the environment that cannot be, a damaged line, a folder that is none: a sentence each, no traceback."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)
    run = finished(tmp_path, RUN, 1)
    assert not open_page("pages/4_train.py", run=RUN).error
    with open(run.path / "events.jsonl", "a", encoding="utf-8") as file:
        file.write('{"event":"Losses","step":0,"losses":[1e400],"seconds":null}\n')
    (tmp_path / "ffffffffffff").mkdir()
    (tmp_path / "ffffffffffff" / "config.json").mkdir()
    monkeypatch.setenv("FMNIST_SLOTS", "two")
    page = open_page("pages/4_train.py", run=RUN)
    assert [error.value for error in page.error] == [frame.plain(client.trouble())]
    said = " ".join(warning.value for warning in page.warning)
    assert "of its events" in said
    assert "ffffffffffff" in said

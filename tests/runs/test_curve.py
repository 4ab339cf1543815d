"""The losses that pages draw: read once, and the same as the record's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fmnist_core.runs.files import curve
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that has been claimed and has taken two steps."""
    folder = RunFolder.create(tmp_path, "0123456789ab", 1, "", TrainingConfig())
    write(folder, Claimed(1), Losses(0, (2.5, 2.25), 0.1))
    return folder


def write(folder: RunFolder, *events: Claimed | Losses) -> None:
    writer = EventWriter(folder.path)
    for event in events:
        writer.write(event)
    writer.close()


def test_as_the_record_tells(run: RunFolder):
    """However often they are asked for while the record grows: the losses that it holds."""
    for step in range(2, 8):
        assert curve.losses(run).tobytes() == run.losses().tobytes()
        assert curve.losses(run).tobytes() == run.losses().tobytes()
        write(run, Losses(step, (1 / step,), 0.1))
    assert len(curve.losses(run)) == 8


def test_only_news_are_read(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    """What has been read is not read again, and nothing at all is read where nothing was written."""
    size = (run.path / "events.jsonl").stat().st_size
    curve.losses(run)
    read_from = []
    news = RunFolder.news
    monkeypatch.setattr(
        RunFolder, "news", lambda self, offset=0, limit=1 << 20: read_from.append(offset) or news(self, offset, limit)
    )
    curve.losses(run)
    assert read_from == []
    write(run, Losses(2, (1.0,), 0.1))
    assert len(curve.losses(run)) == 3
    assert min(read_from) == size


def test_torn_and_repaired(run: RunFolder):
    """A record that a crash has shortened is read anew."""
    assert len(curve.losses(run)) == 2
    file = run.path / "events.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(lines[0] + lines[1][:10])
    assert len(curve.losses(run)) == 0
    file.write_bytes(b"".join(lines))
    assert np.array_equal(curve.losses(run), np.float32([2.5, 2.25]))


def test_few_are_kept(tmp_path: Path):
    """A server that has shown many runs does not keep all their losses."""
    for number in range(curve.KEPT + 5):
        folder = RunFolder.create(tmp_path, f"{number:012x}", number, "", TrainingConfig())
        write(folder, Losses(0, (2.0,), 0.1))
        curve.losses(folder)
    assert len(curve._read) == curve.KEPT

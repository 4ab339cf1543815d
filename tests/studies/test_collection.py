"""Pictures that people keep beside the runs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fmnist_core.studies import collection
from fmnist_core.studies.collection import CollectionFull

PICTURE = np.arange(784, dtype=np.uint16).astype(np.uint8).reshape(28, 28)


def test_kept_until_deleted(tmp_path: Path):
    """A picture comes back bit for bit, with name and class; another class, then gone."""
    kept = collection.keep(tmp_path, "Ann", "../<b>shoe</b>\n.png", PICTURE, 7)
    (found,) = collection.collection(tmp_path, "Ann")
    assert (found.id, found.label, found.name) == (kept.id, 7, "../<b>shoe</b> .png")
    assert np.array_equal(found.picture, PICTURE)
    collection.relabel(tmp_path, "Ann", kept.id, None)
    assert collection.collection(tmp_path, "Ann")[0].label is None
    collection.delete(tmp_path, "Ann", kept.id)
    assert collection.collection(tmp_path, "Ann") == []
    assert list((tmp_path / collection.FOLDER).iterdir()) == []


def test_others_pictures_are_not_seen_or_touched(tmp_path: Path):
    """Each person has a collection; an id of somebody else's does nothing."""
    kept = collection.keep(tmp_path, "Ann", "shoe", PICTURE, 7)
    assert collection.collection(tmp_path, "Bob") == []
    collection.delete(tmp_path, "Bob", kept.id)
    collection.relabel(tmp_path, "Bob", kept.id, 1)
    collection.delete(tmp_path, "Ann", "../../x")
    assert collection.collection(tmp_path, "Ann")[0].label == 7


def test_damaged_files_are_left_out(tmp_path: Path):
    """A torn, foreign or newer file, a FIFO, a folder: the others are shown, and nothing waits."""
    kept = collection.keep(tmp_path, "Ann", "shoe", PICTURE)
    folder = tmp_path / collection.FOLDER
    good = json.loads((folder / f"{kept.id}.json").read_text())
    for name, content in {
        "0" * 12: "{",
        "1" * 12: "[]",
        "2" * 12: json.dumps({**good, "version": 2}),
        "3" * 12: json.dumps({**good, "label": 10}),
        "4" * 12: json.dumps({**good, "label": True}),
        "5" * 12: json.dumps({**good, "pixels": "AAAA"}),
        "6" * 12: " " * 20_000,
        "not-an-id": json.dumps(good),
    }.items():
        (folder / f"{name}.json").write_text(content)
    os.mkfifo(folder / f"{'7' * 12}.json")
    (folder / f"{'8' * 12}.json").mkdir()
    assert [one.id for one in collection.collection(tmp_path, "Ann")] == [kept.id]


def test_no_more_than_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A full collection is said; nobody's disk is filled."""
    monkeypatch.setattr(collection, "MOST", 2)
    for _ in range(2):
        collection.keep(tmp_path, "Ann", "shoe", PICTURE)
    with pytest.raises(CollectionFull, match="delete some first"):
        collection.keep(tmp_path, "Ann", "shoe", PICTURE)
    collection.keep(tmp_path, "Bob", "shoe", PICTURE)


def test_nothing_there(tmp_path: Path):
    """No folder, no collection, no error."""
    assert collection.collection(tmp_path / "missing", "Ann") == []

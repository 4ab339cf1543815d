"""An archive brings back the same files; one that somebody made up is refused with a sentence and leaves nothing behind."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmnist_core.export import archive
from fmnist_core.export.archive import ImportRefused
from fmnist_core.export.history import ExportRefused
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from tests.workshop import OPEN, Workshop

Files = dict[str, bytes]


def packed(run: Run) -> bytes:
    content = io.BytesIO()
    archive.write(run, content)
    return content.getvalue()


def brought(content: bytes, owner: str = "") -> str:
    return archive.read(io.BytesIO(content), owner)


def files_of(folder: Path) -> Files:
    """Every file that belongs to the run, with its bytes."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in archive._files(folder)}


def test_there_and_back(workshop: Workshop, branched: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    """Elsewhere the run has the same id and the same files, but for its number; it opens, with all its figures."""
    monkeypatch.setenv("FMNIST_RUNS", str(workshop.runs))
    content, original = packed(branched), files_of(workshop.runs / branched.id)
    assert content == packed(branched)
    monkeypatch.setenv("FMNIST_RUNS", str(elsewhere))
    assert brought(content) == branched.id
    there = files_of(elsewhere / branched.id)
    config, wanted = json.loads(there.pop("config.json")), json.loads(original.pop("config.json"))
    assert there == original
    inode = (elsewhere / branched.id).stat().st_ino
    assert config == wanted | {"sequence": 1, "order": 1, "inode": inode}
    run = client.get(branched.id)
    assert (run.state, run.latest, run.name) == (State.FINISHED, branched.latest, branched.name)
    assert client.folder(run.id).logits(run.step).shape == (10_000, 10)


def test_back_into_the_same_lab(workshop: Workshop):
    """An id that is taken gives way to a new one; where it is free again, everything is as it was."""
    run = workshop.train("goes and comes", step_limit=3)
    content, original = packed(run), files_of(workshop.runs / run.id)
    second = brought(content)
    assert second != run.id
    assert client.get(second).sequence != run.sequence
    (workshop.runs / ".sequence").write_text("1000")
    client.folder(run.id).delete()
    client.folder(second).delete()
    assert brought(content, "somebody") == run.id
    assert client.get(run.id).owner == "somebody"
    client.folder(run.id).delete()
    assert brought(content) == run.id
    back = files_of(workshop.runs / run.id)
    config, wanted = json.loads(back.pop("config.json")), json.loads(original.pop("config.json"))
    assert back == original
    assert config == wanted | {"inode": (workshop.runs / run.id).stat().st_ino}


def test_what_is_not_exported(workshop: Workshop):
    """A run that goes on, and one whose sweep is open: a sentence says why."""
    run = workshop.train("candidate", group=OPEN, validation=10_000, fold=1)
    with pytest.raises(ExportRefused, match="choose first"):
        packed(run)
    with pytest.raises(ExportRefused, match="pause or stop it first"):
        packed(replace(run, state=State.RUNNING))


# --- Hostile archives ----------------------------------------------------------------------------------------------


@pytest.fixture
def honest(workshop: Workshop, elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The archive of a small run, to be spoilt; the runs folder is empty."""
    monkeypatch.setenv("FMNIST_RUNS", str(workshop.runs))
    content = packed(workshop.train("small", step_limit=3))
    monkeypatch.setenv("FMNIST_RUNS", str(elsewhere))
    return content


def unpacked(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def repacked(files: Files, *, listed: bool = True) -> bytes:
    """As somebody would who knows the format: sizes and hashes in the list are right."""
    if listed:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
            if name != "manifest.json"
        }
        files = files | {"manifest.json": json.dumps(manifest).encode()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return target.getvalue()


def with_file(name: str, content: bytes) -> Callable[[Files], bytes]:
    return lambda files: repacked(files | {name: content})


def with_key(name: str, **values: object) -> Callable[[Files], bytes]:
    return lambda files: repacked(files | {name: json.dumps(json.loads(files[name]) | values).encode()})


def with_setting(**values: object) -> Callable[[Files], bytes]:
    def spoil(files: Files) -> bytes:
        config = json.loads(files["config.json"])
        return repacked(files | {"config.json": json.dumps(config | {"config": config["config"] | values}).encode()})

    return spoil


def with_link(files: Files) -> bytes:
    target = io.BytesIO(repacked(files))
    with zipfile.ZipFile(target, "a") as file:
        link = zipfile.ZipInfo("steps/00000009.npz")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    return target.getvalue()


def with_a_lie_about_size(files: Files) -> bytes:
    """The table of contents says 100 bytes, the data unpacks to 50 MB."""
    content = bytearray(repacked(files | {"steps/00000009.npz": bytes(50_000_000)}))
    for mark, place in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        at = content.index(
            mark,
            content.rindex(b"steps/00000009.npz") - 60
            if mark == b"PK\1\2"
            else content.index(b"steps/00000009.npz") - 40,
        )
        content[at + place : at + place + 4] = struct.pack("<I", 100)
    return bytes(content)


def without_the_last_event(files: Files) -> bytes:
    lines = files["events.jsonl"].splitlines(keepends=True)
    return repacked(files | {"events.jsonl": b"".join(lines[:-1])})


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (Path("evil"),)


def _pickled_array() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([_Evil()], dtype=object), allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda files: b"", "not a whole zip"),
        (lambda files: b"<html>", "not a whole zip"),
        (lambda files: repacked(files)[:-500], "not a whole zip"),
        (with_file("../../evil", b"x"), "no file of a run"),
        (with_file("/etc/evil", b"x"), "no file of a run"),
        (with_file("checkpoints/../../evil.safetensors", b"x"), "no file of a run"),
        (with_file("worker.log", b"x"), "no file of a run"),
        (with_file("checkpoints/٠٠٠٠٠٠٠٩.safetensors", b"x"), "no file of a run"),
        (with_file("snapshots/", b""), "no file of a run"),
        (with_link, "is a link"),
        (with_file("checkpoints/00000009.safetensors", pickle.dumps(_Evil())), "not what its name says"),
        (with_file("snapshots/00000009.npy", _pickled_array()), "not what its name says"),
        (with_file("steps/00000009.npz", _pickled_array()), "not what its name says"),
        (with_file("snapshots/00000009.npy", bytes(3_000_000)), "3,000,000 bytes"),
        (with_file("steps/00000009.npz", bytes(100_000_000)), "100,000,000 bytes"),
        (with_a_lie_about_size, "larger than it says|not a whole zip|overlap"),
        (with_key("manifest.json", version=2), "newer version"),
        (with_key("config.json", version=99), "is not a run's: config.json was written by a newer version"),
        (with_key("manifest.json", id="../../etc"), "not as it should be"),
        (with_key("manifest.json", format="x"), "not as it should be"),
        (lambda files: repacked(files | {"manifest.json": b"[" * 100_000}, listed=False), "not as it should be"),
        (with_setting(epochs=10**9), "epochs must be"),
        (with_setting(nonsense=1), "unknown setting"),
        (with_file("config.json", b"{}"), "config.json is not a run's"),
        (with_file("config.json", b"[" * 100_000), "config.json is not a run's"),
        (with_file("events.jsonl", b'{"event":"Nonsense"}\n'), "events.jsonl is not a run's"),
        (with_file("events.jsonl", b""), "not over"),
        (without_the_last_event, "not over"),
        (with_key("config.json", job={"kind": "Race"}), "race|not a run's"),
        (lambda files: repacked(files | {"config.json": files["config.json"] + b" "}, listed=False), "SHA-256 differs"),
        (lambda files: repacked({name: files[name] for name in ("manifest.json", "config.json", "events.jsonl")}, listed=False), "not whole"),
        (lambda files: repacked(files | {f"steps/{n:08d}.npz": b"" for n in range(2_001)}), "2,000 at most"),
    ],
)  # fmt: skip
def test_hostile_archives(honest: bytes, elsewhere: Path, spoil: Callable[[Files], bytes], sentence: str):
    """Paths, links, bombs, pickles, lies, newer versions: refused with a sentence; the runs folder stays as it was."""
    before = sorted(path.name for path in elsewhere.rglob("*"))
    content = spoil(unpacked(honest))
    with pytest.raises(ImportRefused, match=sentence):
        brought(content)
    assert sorted(path.name for path in elsewhere.rglob("*")) == before
    assert not Path("evil").exists()
    assert brought(honest)  # the honest one is taken in


def test_two_gigabytes_of_zeros(honest: bytes, elsewhere: Path):
    """Refused from the table of contents: nothing is unpacked to find out."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in unpacked(honest).items():
            if name != "events.jsonl":
                file.writestr(name, content)
        with file.open("events.jsonl", "w", force_zip64=True) as events:
            for _block in range(300):
                events.write(bytes(1 << 20))
    with pytest.raises(ImportRefused, match="314,572,800 bytes"):
        brought(target.getvalue())
    assert client.list_runs() == []


def test_no_room(honest: bytes, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the disk would be too full afterwards, the sentence says so."""
    monkeypatch.setattr(client, "LEAST_FREE", 1 << 60)
    with pytest.raises(ImportRefused, match="not enough room"):
        brought(honest)

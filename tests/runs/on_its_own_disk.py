"""Started by test_store.py, with a file system mounted on the parent of tmp_path that no other process sees."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Claimed, Paused, State
from fmnist_core.runs.files.writing import EventWriter
from tests.runs.lab import LONGER, SMALL, Lab, assert_same_result, events, recorded, steps_recorded, wait_until
from tests.runs.test_store import DISK_FULL


def fill(path: Path, but: int = 0) -> None:
    """Until the disk is full to the last byte, or to the last `but` ones."""
    room = path.with_name("room")
    room.write_bytes(bytes(but))
    with open(path, "wb", buffering=0) as file:
        for size in (64 * 1024, 4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass
    assert shutil.disk_usage(path.parent).free == 0
    room.unlink()


def test_full(own_lab: Lab):
    """On a full disk a run pauses, as often as it is resumed; what it had recorded stays; with room, it ends as it should."""
    own_lab.runs.mkdir()
    own_lab.start_forking_dispatcher(FMNIST_SNAPSHOTS="0")  # a film would fill the disk once more, at its own pace
    run = own_lab.create(LONGER)
    own_lab.wait_for_steps(run, 30)
    lines = (run.path / "events.jsonl").read_bytes()
    fill(own_lab.runs.parent / "filler")
    paused = own_lab.wait(run, State.PAUSED)
    assert paused.reason == DISK_FULL
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert checkpoint[1] == 0
    assert (run.path / "events.jsonl").read_bytes().startswith(lines)
    assert steps_recorded(run) == list(range(1, paused.step + 1))

    fill(own_lab.runs.parent / "filler 2", but=16 * 1024)  # for a line or two, not for the last words' reserve
    client.resume(run.id)
    wait_until(lambda: len(events(run, Paused)) == 2)
    paused = own_lab.wait(run, State.PAUSED)
    assert paused.reason == DISK_FULL
    assert paused.deaths == 0
    with pytest.raises(
        client.RunRefused, match=r"^Only 0 MB are free on the disk of .+: a run needs 210 MB\. Make room"
    ):
        client.start(SMALL)

    (own_lab.runs.parent / "filler").unlink()
    (own_lab.runs.parent / "filler 2").unlink()
    client.resume(run.id)
    assert own_lab.wait(run, State.FINISHED).deaths == 0
    other = own_lab.create(LONGER)
    own_lab.wait(other, State.FINISHED)
    assert len(events(run, Claimed)) == 3
    assert_same_result(run, other)


def test_full_but_for_the_last_words(own_lab: Lab):
    """An event that does not fit leaves the file as it was; the last words fit, because space was set aside for them."""
    run = own_lab.create(SMALL)
    writer = EventWriter(run.path)
    writer.reserve()
    writer.write(Claimed(1))
    fill(own_lab.runs.parent / "filler")
    written = [Claimed(1)]
    with pytest.raises(OSError, match="No space left"):  # noqa: PT012 - the last page of the file has still room for some
        while len(written) < 1000:
            writer.write(Claimed(2))
            written.append(Claimed(2))
    assert events(run) == written
    last = Paused(0, "more than a page: " + "x" * 8_000)
    with pytest.raises(OSError, match="No space left"):
        writer.write(last)
    writer.write_last_words(last)
    writer.close()
    assert events(run) == [*written, last]
    assert (run.path / "events.jsonl").read_bytes().endswith(b'"}\n')
    (own_lab.runs.parent / "filler").unlink()


def test_nearly_full(own_lab: Lab):
    """A start on a disk with less than 200 MB free is refused, in a sentence that says how much there is and is needed."""
    own_lab.runs.mkdir()
    free = shutil.disk_usage(own_lab.runs).free
    assert 5e6 < free < 9e6
    with pytest.raises(client.RunRefused) as error:
        client.start(SMALL)
    assert str(error.value) == (
        f"Only {free / 1e6:.0f} MB are free on the disk of {own_lab.runs}: a run needs 210 MB. "
        f"Make room and start again."
    )
    assert client.list_runs() == []


@pytest.fixture
def read_only_lab(own_lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """One run is finished, one paused; then nothing can be written any more."""
    own_lab.runs.mkdir()
    dispatcher = own_lab.start_forking_dispatcher()
    finished, paused = own_lab.create(SMALL), own_lab.create(SMALL)
    client.pause(paused.id)
    own_lab.wait(finished, State.FINISHED)
    own_lab.wait(paused, State.PAUSED)
    dispatcher.terminate()
    assert dispatcher.wait(90) == 0
    disk = str(tmp_path.parent.parent)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield own_lab
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def test_read_only(read_only_lab: Lab):
    """In a read-only runs folder everything can be looked at; starting, stopping, resuming say why they cannot."""
    with pytest.raises(OSError, match="Read-only"):
        (read_only_lab.runs / "file").touch()
    paused, finished = client.list_runs()
    assert (paused.state, finished.state) == (State.PAUSED, State.FINISHED)
    assert client.get(finished.id) == finished == recorded(client.folder(finished.id))
    assert client.folder(finished.id).logits(100).shape == (10_000, 10)
    with pytest.raises(client.RunRefused) as error:
        client.start(SMALL)
    sentence = f"A run cannot be started: {read_only_lab.runs} cannot be written to (Read-only file system)."
    assert str(error.value) == sentence
    for ask in (client.stop, client.pause, client.resume):
        with pytest.raises(client.RunRefused) as error:
            ask(paused.id)
        assert str(error.value) == "The run's folder cannot be written to (Read-only file system)."
    assert read_only_lab.dispatcher is None

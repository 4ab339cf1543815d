"""The index is a cache: lost, damaged or old, it is made anew from the folders; one from the future is left alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Run, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.index import FILE, VERSION, Index, IndexReader, is_newer
from fmnist_core.runs.row import run_to_json
from fmnist_core.settings.config import TrainingConfig
from tests.runs.lab import PATIENCE, SMALL, Lab, events, recorded, wait_until


@pytest.fixture(scope="module")
def finished(shared_lab: Lab) -> list[RunFolder]:
    """Two runs that are over."""
    runs = [shared_lab.create(SMALL, name) for name in ("first", "second <b>")]
    for run in runs:
        wait_until(lambda run=run: recorded(run).state == State.FINISHED)
    return runs


@pytest.fixture
def filled_lab(own_lab: Lab, finished: list[RunFolder]) -> Iterator[Lab]:
    """A runs folder with two runs that are over, without an index and without a dispatcher."""
    for run in finished:
        shutil.copytree(run.path, own_lab.runs / run.id)
    return own_lab


def indexed(lab: Lab) -> list[Run]:
    """What the index says; nothing where it cannot be read."""
    try:
        with IndexReader(lab.runs) as index:
            return [run for run, _offset in index.runs()]
    except sqlite3.Error:
        return []


def in_folders(lab: Lab) -> list[Run]:
    """What the folders say, newest first."""
    runs = [recorded(RunFolder(path.parent)) for path in lab.runs.glob("*/config.json")]
    return sorted(runs, key=lambda run: run.sequence, reverse=True)


def make_index(lab: Lab) -> None:
    """Have a dispatcher make the index and end."""
    dispatcher = lab.start_dispatcher()
    wait_until(lambda: indexed(lab) == in_folders(lab))
    dispatcher.send_signal(signal.SIGTERM)
    assert dispatcher.wait(PATIENCE) == 0


def is_sound(path: Path) -> bool:
    """What SQLite says."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()


# --- Ways to lose it -----------------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    path.unlink()


def overwrite_all(path: Path) -> None:
    path.write_bytes(b"x" * path.stat().st_size)


def overwrite_pages(path: Path) -> None:
    """The header stays, so that it still looks like a database."""
    content = bytearray(path.read_bytes())
    content[200:4096] = b"\xaa" * (4096 - 200)
    content[8192:] = b"\xaa" * len(content[8192:])
    path.write_bytes(content)


def overwrite_text(path: Path) -> None:
    """Within a run's JSON, where SQLite cannot tell."""
    content = path.read_bytes()
    assert content.count(b'"sequence":') == 2
    path.write_bytes(content.replace(b'"sequence":', b'"seq\xffence:'))


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_older(path: Path) -> None:
    """As version 0 might have been: another table, and rows that are no longer true."""
    other = path.with_suffix(".older")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE runs (id TEXT, state TEXT)")
        connection.execute("INSERT INTO runs VALUES ('0123456789ab', 'running')")
        connection.execute(f"PRAGMA user_version = {VERSION - 1}")
    connection.close()
    other.replace(path)


def overwrite_in_secret(path: Path) -> None:
    """With the old time of change, so that only whoever reads it can tell."""
    status = path.stat()
    overwrite_pages(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


WAYS = [remove, overwrite_all, overwrite_pages, overwrite_text, cut_short, empty, make_older, overwrite_in_secret]


@pytest.mark.parametrize("lose", WAYS)
def test_lost_between_two_dispatchers(filled_lab: Lab, lose: Callable[[Path], None]):
    """Whatever happens to the index while nobody runs: pages show every run at once, the next dispatcher makes it anew."""
    make_index_quickly(filled_lab)
    lose(filled_lab.runs / FILE)
    assert indexed(filled_lab) == []
    assert client.list_runs() == in_folders(filled_lab)  # from the folders; this starts a dispatcher, too
    wait_until(lambda: indexed(filled_lab) == in_folders(filled_lab))
    assert is_sound(filled_lab.runs / FILE)


@pytest.mark.thorough
def test_lost_while_the_dispatcher_lives(filled_lab: Lab):
    """Whatever happens to the index under a living dispatcher: pages go on showing every run, and it is made anew."""
    dispatcher = filled_lab.start_dispatcher()
    for lose in WAYS:
        wait_until(lambda: indexed(filled_lab) == in_folders(filled_lab))
        lose(filled_lab.runs / FILE)
        assert client.list_runs() == in_folders(filled_lab), lose
        for run in in_folders(filled_lab):
            assert client.get(run.id) == run, lose
        wait_until(lambda: indexed(filled_lab) == in_folders(filled_lab), tell=lambda how=lose: how)
        assert is_sound(filled_lab.runs / FILE)
    assert dispatcher.poll() is None
    assert filled_lab.dispatcher == dispatcher.pid


@pytest.mark.thorough
def test_lost_while_a_run_trains(lab: Lab):
    """A run goes on while its index is overwritten, and the new one hears the rest of it."""
    run = lab.start(SMALL)
    lab.wait_for_steps(run, 10)
    overwrite_pages(lab.runs / FILE)
    assert lab.wait(run, State.FINISHED).step == 100
    assert len(events(run, Claimed)) == 1
    wait_until(lambda: client.list_runs() and indexed(lab) == in_folders(lab))
    assert is_sound(lab.runs / FILE)


# --- From the future -----------------------------------------------------------------------------------------------


def make_newer(path: Path) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE future (id TEXT)")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()


def test_newer_version(filled_lab: Lab):
    """An index of a newer version is not touched, nor are the folders: looking works, starting is refused and says why."""
    make_index_quickly(filled_lab)
    path = filled_lab.runs / FILE
    make_newer(path)
    before = snapshot(filled_lab.runs)
    refused = filled_lab.python("-m", "fmnist_core.runs.service.dispatcher", str(filled_lab.runs))
    _, said = refused.communicate(timeout=PATIENCE)
    sentence = f"{path} was written by a newer version of Fashion-MNIST Lab: use that one, or move the file away."
    assert said.decode().strip() == sentence
    assert refused.returncode == 78
    assert client.list_runs() == in_folders(filled_lab)
    assert client.get(in_folders(filled_lab)[0].id).state == State.FINISHED
    with pytest.raises(client.RunRefused) as error:
        client.start(SMALL)
    assert str(error.value) == f"{path} was written by a newer version of Fashion-MNIST Lab: use that one."
    assert snapshot(filled_lab.runs) == before


def test_newer_version_while_the_dispatcher_lives(filled_lab: Lab):
    """A dispatcher whose index a newer version takes over ends with a sentence and leaves the index to it."""
    dispatcher = filled_lab.start_dispatcher()
    wait_until(lambda: len(indexed(filled_lab)) == 2)
    path = filled_lab.runs / FILE
    other = path.with_suffix(".other")
    shutil.copy(path, other)
    make_newer(other)
    content = other.read_bytes()
    other.replace(path)
    assert dispatcher.wait(PATIENCE) == 78
    assert path.read_bytes() == content


def snapshot(runs: Path) -> dict[str, bytes]:
    """The index and all files of all runs."""
    return {str(p): p.read_bytes() for p in [runs / FILE, *runs.glob("*/**/*")] if p.is_file()}


# --- What is in it -------------------------------------------------------------------------------------------------


def make_index_quickly(lab: Lab) -> None:
    """As a dispatcher leaves it, without starting one."""
    index = Index(lab.runs)
    runs = [RunFolder(lab.runs / run.id) for run in in_folders(lab)]
    index.save([(recorded(run), (run.path / "events.jsonl").stat().st_size) for run in runs])
    index.close()
    assert indexed(lab) == in_folders(lab)


def test_made_by_a_dispatcher(filled_lab: Lab):
    """The index holds every run as its folder tells it, names with HTML included, and survives its dispatcher."""
    make_index(filled_lab)
    assert [run.name for run in indexed(filled_lab)] == ["second <b>", "first"]
    assert indexed(filled_lab) == in_folders(filled_lab)


@pytest.mark.thorough
def test_ahead_of_the_events(filled_lab: Lab):
    """An index that knows more than a power cut has left of the events is brought back to what is there."""
    make_index_quickly(filled_lab)
    run = RunFolder(filled_lab.runs / in_folders(filled_lab)[0].id)
    lines = (run.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "events.jsonl").write_bytes(b"".join(lines[:3]))
    wanted = json.loads(
        (run.path / "config.json").read_bytes()
    )  # made here, not a copy of which the rest is still to come
    (run.path / "config.json").write_text(json.dumps(wanted | {"inode": run.path.stat().st_ino}))
    writer = EventWriter(run.path)
    writer.write(Claimed(1))
    writer.close()
    with sqlite3.connect(filled_lab.runs / FILE) as connection:  # running: a final run is not looked at again
        text = run_to_json(indexed(filled_lab)[0]).replace('"state":"finished"', '"state":"running"')
        connection.execute("UPDATE runs SET run = ?, state = 'running' WHERE id = ?", (text, run.id))
    connection.close()
    assert filled_lab.wait(run, State.FINISHED).deaths == 1
    wait_until(lambda: indexed(filled_lab) == in_folders(filled_lab))


def test_round_trip(tmp_path: Path):
    """A run comes out of the index as it went in."""
    run = Run(
        "0123456789ab",
        7,
        "a 'name' with \N{SNOWMAN}",
        "2026-01-01T00:00:00+00:00",
        TrainingConfig(),
        State.PAUSED,
        "why",
    )
    index = Index(tmp_path)
    index.save([(run, 12)])
    assert index.load() == {run.id: (run, 12)}
    index.close()
    with IndexReader(tmp_path) as reader:
        assert reader.run(run.id) == (run, 12)
        assert reader.run("ffffffffffff") is None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._connection.execute("DELETE FROM runs")


def test_only_the_newest_text_of_a_run_is_kept_parsed(tmp_path: Path):
    """However often a run changes, a reader keeps one version of it, and none of a run that is gone."""
    from fmnist_core.runs import index as reader

    index = Index(tmp_path)
    for step in range(20):
        index.save([(Run("0123456789ab", 1, "first", "2026-01-01", TrainingConfig(), step=step), step)])
        with IndexReader(tmp_path) as reading:
            ((run, _offset),) = reading.runs()
        assert run.step == step
        assert list(reader._parsed) == ["0123456789ab"]
    with IndexReader(tmp_path) as reading:
        assert reading.runs()[0][0] is run, "the same text is not read again"
    index.save([], gone=["0123456789ab"])
    with IndexReader(tmp_path) as reading:
        assert reading.runs() == []
    assert reader._parsed == {}
    index.close()


def test_an_index_that_stays_as_it_is_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """However many look at it, as a class does; what was written meanwhile is read at the next look, in the same moment too."""
    opened: list[object] = []
    connect = sqlite3.connect
    index = Index(tmp_path)
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: (opened.append(a), connect(*a, **k))[1])
    for number in range(20):
        index.save_fact("said", str(number))
        opened.clear()
        for _look in range(10):
            with IndexReader(tmp_path) as reader:
                assert (reader.runs(), reader.run("a" * 12), reader.fact("said")) == ([], None, str(number))
            assert not is_newer(tmp_path)
        assert len(opened) == 1
    index.close()

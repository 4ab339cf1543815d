"""One bad thing stops nothing else: whatever stands in the place of a file, the others are served, and all is said."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fmnist_core.files import parse
from fmnist_core.runs import bell, client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.runs.service import watched
from fmnist_core.runs.service.dispatcher import Dispatcher
from fmnist_core.runs.service.place import Place, open_bell
from fmnist_core.studies import judgements
from fmnist_core.terminal import following, printing
from pages.parts.components.live_chart.route import routes
from tests.runs.executors import Counts
from tests.runs.hostile import CONFIG, FILES, OWN, WAYS, fifo, finished, folder, link_elsewhere, sparse

BAD, GOOD = "bad000000000", "900d00000000"
SPOILED = [fifo, folder, *(pytest.param(spoil, marks=pytest.mark.slow) for spoil in (link_elsewhere, sparse))]
SECONDS = 20.0
"""In which everybody must have answered, on a machine that is busy with other things."""


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    """Whoever waits for a FIFO, say, is woken with an error; torch, which checkpoints need, is imported before."""
    import torch

    assert torch.__version__

    def wake(_signal: int, _frame: object) -> None:
        raise TimeoutError("somebody waits")

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(300)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)
    monkeypatch.setattr(bell, "start_dispatcher", lambda _runs: pytest.fail("nobody starts one here"))
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def everybody_looks(runs: Path) -> None:
    """Each way in which a page, a command or a route reads runs; what cannot be read may be said, and nothing else."""
    for run in client.list_runs():
        printing.run_row(run)
        json.dumps(printing.run_keys(run), allow_nan=False)
        may_say_so(lambda run=run: list(following.lines(run)))
    client.unreadable()
    client.queue()
    client.devices()
    judgements.read(runs)
    web = TestClient(Starlette(routes=routes))
    for run_id in (BAD, GOOD):
        answer = web.get(f"/api/runs/{run_id}/events")
        assert answer.status_code in (200, 404)
        assert parse(answer.content)
        try:
            found = client.folder(run_id)
        except client.RunNotFound:
            continue
        everything_of(found)


def everything_of(run: RunFolder) -> None:
    run.branch_steps()
    run.read_checkpoint()
    run.changes_asked()
    run.predictions()
    run.snapshots.first_filters()
    may_say_so(run.losses)
    for step in run.logit_steps():
        may_say_so(lambda step=step: run.logits(step))
        may_say_so(lambda step=step: run.snapshots.logits_of(3, [step]))
    for step in run.single_steps():
        may_say_so(lambda step=step: run.single_step(step))
    for step in run.weight_steps():
        may_say_so(lambda step=step: run.weights(step))


def may_say_so(read: Callable[[], object]) -> None:
    """It gives a value, or one of the errors that pages and commands turn into a sentence."""
    with contextlib.suppress(OSError, ValueError):
        read()


def serve(runs: Path, turns: int = 2) -> Counts:
    executor = Counts()
    dispatcher = Dispatcher(runs, executor)
    for _turn in range(turns):
        dispatcher.turn()
    dispatcher.index.close()
    return executor


@pytest.mark.parametrize(
    "name", ["config.json", "events.jsonl", "worker.lock", "requests", "requests/stop", "checkpoints"]
)
@pytest.mark.parametrize("spoil", SPOILED)
def test_a_bad_run_beside_a_good_one(runs: Path, name: str, spoil: Callable[[Path, random.Random], None]):
    """A run whose files are of the wrong kind keeps no other from starting, and is not started itself where that matters."""
    RunFolder.create(runs, BAD, 1, "bad", CONFIG)
    RunFolder.create(runs, GOOD, 2, "good", CONFIG)
    began = time.monotonic()
    spoil(runs / BAD / name, random.Random(0))
    executor = serve(runs)
    everybody_looks(runs)
    assert time.monotonic() - began < SECONDS
    if name in ("requests", "requests/stop", "checkpoints") or (name == "worker.lock" and spoil is sparse):
        is_stop = name == "requests/stop" and spoil is sparse  # a file, whatever is in it
        assert executor.started == ([GOOD] if is_stop else [BAD])  # it is the first; its worker will say what is wrong
        return
    assert executor.started == [GOOD]
    if name == "config.json":
        assert str(runs / BAD / name) in client.unreadable()[BAD]
    else:
        run = client.get(BAD)
        assert run.state is State.FAILED
        assert str(runs / BAD / name) in run.fault
        assert run.reason == run.fault
        assert run.fault in [listed.fault for listed in client.list_runs()]


def test_a_run_that_is_mended_goes_on(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """What was wrong is not recorded: when the file is as it should be, the run is served like every other."""
    monkeypatch.setattr(watched, "AGAIN", 0.0)
    run = RunFolder.create(runs, BAD, 1, "bad", CONFIG)
    (run.path / "events.jsonl").mkdir()
    executor = Counts()
    dispatcher = Dispatcher(runs, executor)
    dispatcher.turn()
    assert client.get(BAD).state is State.FAILED
    assert executor.started == []
    (run.path / "events.jsonl").rmdir()
    dispatcher.turn()
    assert client.get(BAD).state is State.QUEUED
    assert executor.started == [BAD]
    dispatcher.index.close()


def test_a_line_that_cannot_be_read_is_said_on_the_row(runs: Path):
    """The run goes on, and its fault is in the index, in the list and in the door's answer."""
    run = RunFolder.create(runs, BAD, 1, "bad", CONFIG)
    (run.path / "events.jsonl").write_text(
        '{"event":"Claimed","pid":1}\n{"event":"Losses","seconds":null}\n{"event":"Stopped","step":0}\n'
    )
    serve(runs)
    assert client.get(BAD).state is State.STOPPED
    assert client.get(BAD).fault.startswith("The line at byte 28 of its events.jsonl is left out: ")


def test_a_name_that_is_no_text(runs: Path):
    """Half a surrogate pair in a name is replaced: the index can be written, for this run and for all others."""
    run = RunFolder.create(runs, BAD, 1, "bad", CONFIG)
    (run.path / "config.json").write_text((run.path / "config.json").read_text().replace('"bad"', '"bad \\ud800"'))
    RunFolder.create(runs, GOOD, 2, "good", CONFIG)
    serve(runs)
    assert [listed.name for listed in client.list_runs()] == ["good", "bad ?"]


# --- The folder's own files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in OWN if name not in (".dispatcher.lock",)])
@pytest.mark.parametrize("spoil", SPOILED)
def test_own_files_of_the_wrong_kind(runs: Path, name: str, spoil: Callable[[Path, random.Random], None]):
    """They are made anew, or left out: the run that waits is started, everybody can look, and another run can be put in."""
    RunFolder.create(runs, GOOD, 2, "good", CONFIG)
    began = time.monotonic()
    spoil(runs / name, random.Random(0))
    pipe = open_bell(runs)
    assert pipe is not None
    executor = serve(runs)
    everybody_looks(runs)
    assert executor.started == [GOOD]
    assert client.start(CONFIG)
    assert bell.ring(runs)
    os.close(pipe)
    assert not bell.ring(runs)
    assert time.monotonic() - began < SECONDS


def test_judgements_that_cannot_be_read_are_set_aside(runs: Path):
    """A new verdict does not write over a file that somebody could still mend by hand."""
    place = judgements.Place("test", 7)
    judgements.judge(runs, place, "wrong")
    (runs / judgements.FILE).write_text('{"test/7": "wrong", "train/3"')
    assert judgements.read(runs) == {}
    judgements.judge(runs, place, "right")
    assert judgements.read(runs) == {place: "right"}
    assert '"train/3"' in (runs / f"{judgements.FILE}.set-aside-1").read_text()


# --- Copies, moves -------------------------------------------------------------------------------------------------


def test_a_folder_that_is_copied_in_slowly(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In either order it is left alone until it is whole, and then it is what it was: nothing is trained again."""
    source = finished(tmp_path, BAD, 1)
    names = sorted(str(path.relative_to(source.path)) for path in source.path.rglob("*") if path.is_file())
    for order in (
        sorted(names, key=lambda name: name != "config.json"),
        sorted(names, key=lambda name: name == "config.json"),
    ):
        executor = Counts()
        dispatcher = Dispatcher(runs, executor)
        for name in order:
            target = runs / BAD / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((source.path / name).read_bytes())
            monkeypatch.setattr("fmnist_core.runs.service.dispatcher.AGAIN", 0.0)
            dispatcher.turn()
        assert client.get(BAD).state is State.FINISHED
        assert executor.started == []
        assert (runs / BAD / "events.jsonl").read_bytes() == (source.path / "events.jsonl").read_bytes()
        dispatcher.index.close()
        folder(runs / BAD, random.Random(0))
        (runs / BAD).rename(tmp_path / f"gone{len(list(tmp_path.iterdir()))}")


def test_a_copy_of_a_waiting_run_starts_when_nothing_changes_any_more(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """It waits, and says why, until its folder has stood still; one whose events are missing waits on, until that is said."""
    RunFolder.create(runs.parent, BAD, 1, "", CONFIG)
    (runs / BAD).mkdir()
    (runs / BAD / "config.json").write_bytes((runs.parent / BAD / "config.json").read_bytes())
    executor = Counts()
    dispatcher = Dispatcher(runs, executor)
    dispatcher.turn()
    assert executor.started == []
    assert client.get(BAD).reason == watched.COPIED
    monkeypatch.setattr(watched, "QUIET", 0.0)
    (runs / BAD / "checkpoints").mkdir()
    (later := runs / BAD / "checkpoints" / "00000100.safetensors").write_bytes(b"x")
    dispatcher.turn()
    assert executor.started == []
    assert client.get(BAD).reason == watched.COPIED
    monkeypatch.setattr(watched, "INCOMPLETE", 0.0)
    monkeypatch.setattr(watched, "AGAIN", 0.0)
    dispatcher.turn()
    assert client.get(BAD).state is State.FAILED
    assert "events end at step 0, but it has files of step 100: the copy is incomplete" in client.get(BAD).reason
    later.unlink()
    for _ in range(3):
        dispatcher.turn()
    assert executor.started == [BAD]
    assert client.get(BAD).reason == ""
    dispatcher.index.close()


def test_a_moved_folder_is_noticed(runs: Path):
    """A dispatcher whose folder has another name now, or was removed, has no place any more."""
    from fmnist_core.files import lock_of_ours

    lock = lock_of_ours(runs / bell.LOCK)
    place = Place(runs, lock)
    assert not place.is_lost()
    runs.rename(runs.with_name("elsewhere"))
    assert place.is_lost()
    runs.mkdir()
    (runs / bell.LOCK).touch()  # of the one that serves the new folder
    assert place.is_lost()
    lock.close()


# --- All of it, by chance ------------------------------------------------------------------------------------------


def fuzz(runs: Path, seed: int, seconds: float) -> int:
    """Spoil files by chance, several at a time, until the time is over; the good run is started each time."""
    import shutil

    chance, until, rounds = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        shutil.rmtree(runs)
        runs.mkdir()
        finished(runs, BAD, 1)
        if chance.random() < 0.7:  # else it is over, as it was
            lines = (runs / BAD / "events.jsonl").read_bytes().splitlines(keepends=True)
            (runs / BAD / "events.jsonl").write_bytes(b"".join(lines[: chance.randrange(len(lines))]))
        RunFolder.create(runs, GOOD, 2, "good", CONFIG)
        told = []
        for _ in range(chance.randint(1, 4)):
            target = runs / BAD / chance.choice(FILES) if chance.random() < 0.8 else runs / chance.choice(OWN)
            spoil = chance.choice(WAYS)
            told.append(f"{spoil.__name__} {target.relative_to(runs)}")
            if target.parent.is_dir() and not target.parent.is_symlink():
                spoil(target, chance)
        began = time.monotonic()
        try:
            executor = Counts()
            dispatcher = Dispatcher(runs, executor, slots=2)
            for _turn in range(2):
                dispatcher.turn()
            everybody_looks(runs)
            dispatcher.index.close()
            assert GOOD in executor.started, "the good run was not started"
            assert time.monotonic() - began < SECONDS, "too slow"
        except BaseException:
            print(f"seed {seed}, round {rounds}: {'; '.join(told)}")
            raise
        rounds += 1
    return rounds


def test_fuzz(runs: Path):
    """A few seconds of it each time, with a seed of the day."""
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns() % 10**9))
    print(f"FUZZ_SEED={seed}")
    assert fuzz(runs, seed, float(os.environ.get("FUZZ_SECONDS", "5")))


@pytest.mark.slow
def test_fuzz_for_longer(runs: Path):
    """Half a minute of it, or as long as FUZZ_SECONDS says."""
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns() % 10**9))
    print(f"FUZZ_SEED={seed}")
    assert fuzz(runs, seed, float(os.environ.get("FUZZ_SECONDS", "30")))

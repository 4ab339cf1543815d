"""Whatever keeps runs from starting is said; who only looks does not serve; others on the machine read nothing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fmnist_core.files import lock_of_ours
from fmnist_core.runs import bell, client, environment
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.index import FILE, VERSION, Index, IndexTooNew
from fmnist_core.runs.service import place
from fmnist_core.runs.service.dispatcher import RESTS_MOST, Dispatcher
from fmnist_core.runs.service.executor import LocalExecutor
from fmnist_core.runs.service.place import Place, open_bell, protect
from fmnist_core.terminal.app import main
from tests.runs.executors import Counts
from tests.runs.hostile import CONFIG
from tests.runs.lab import is_alive, wait_until


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("FMNIST_SHARED", raising=False)
    return tmp_path / "runs"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders for which a dispatcher would have been started."""
    asked: list[Path] = []

    def start(runs: Path) -> subprocess.Popen[bytes]:
        asked.append(runs)
        return subprocess.Popen([sys.executable, "-c", ""])

    monkeypatch.setattr(bell, "start_dispatcher", start)
    monkeypatch.setattr(bell, "_started", {})
    return asked


# --- Said ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["FMNIST_SLOTS", "FMNIST_SNAPSHOTS"])
@pytest.mark.parametrize("value", ["two", "-1", "1.5", "9" * 50, "٣"])
def test_settings_of_the_environment_are_refused_where_they_enter(
    runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    """The page, the terminal and the process that would start runs say the same sentence."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from") as error:
        environment.check()
    assert client.trouble() == str(error.value)
    with pytest.raises(client.RunRefused) as refused:
        client.start(CONFIG)
    assert str(refused.value) == str(error.value)
    assert not runs.exists()


def test_a_file_in_the_place_of_the_runs_folder(runs: Path, starts: list[Path]):
    """One sentence that names it, and no traceback."""
    runs.write_text("mine")
    assert client.list_runs() == []
    assert client.trouble() == f"A run cannot be started: {runs} is a file, not a folder."
    with pytest.raises(client.RunRefused, match="is a file, not a folder"):
        client.start(CONFIG)


def test_a_dispatcher_that_cannot_start_says_why(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """Its last words are on Train and in `queue`; it is not tried again at every look."""
    monkeypatch.setattr(bell, "_started", {})
    runs.mkdir()
    (runs / "dispatcher.log").write_text("The file system of this folder knows no locks: take another.\n")
    ended = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit(78)"])
    ended.wait()
    bell._started[runs] = ended, time.monotonic()
    monkeypatch.setattr(bell, "start_dispatcher", lambda _: pytest.fail("tried again at once"))
    assert client.trouble() == "The file system of this folder knows no locks: take another."


def test_a_file_system_without_locks(runs: Path, tmp_path: Path):
    """The process ends with one sentence that has the way out."""
    program = (
        "import errno, fcntl, os, sys\n"
        "def flock(*_): raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))\n"
        "fcntl.flock = flock\n"
        "from fmnist_core.runs.service import dispatcher\n"
        "sys.exit(dispatcher.main(sys.argv[1:]))"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(runs)], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 78
    assert ended.stderr.strip() == place.NO_LOCKS_THERE.format(runs=runs)


def test_a_file_system_without_named_pipes(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """Works without the bell: a run that is put in is found a moment later."""
    runs.mkdir()

    def mkfifo(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", mkfifo)
    assert open_bell(runs) is None
    RunFolder.create(runs, "0123456789ab", 1, "", CONFIG)
    executor = Counts()
    dispatcher = Dispatcher(runs, executor)
    dispatcher.serve(None, lambda: bool(executor.started))
    assert executor.started == ["0123456789ab"]


def test_what_goes_wrong_with_every_turn_is_said(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """No process can be made, say: the sentence is in the index, and gone when the trouble is over."""
    runs.mkdir()
    RunFolder.create(runs, "0123456789ab", 1, "", CONFIG)
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)
    executor = Counts()
    broken = {"count": 0}

    def start(_folder: Path, _slot: str = "") -> None:
        broken["count"] += 1
        if broken["count"] == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        executor.started.append("started")

    monkeypatch.setattr(executor, "start", start)
    dispatcher = Dispatcher(runs, executor)
    told = []
    dispatcher.serve(None, lambda: told.append(client.trouble()) or broken["count"] > 1)
    dispatcher.index = Index(runs)
    dispatcher.turn()
    dispatcher.index.close()
    assert any(why and "Resource temporarily unavailable" in why for why in told)
    assert executor.started == ["started"]


# --- Who serves ----------------------------------------------------------------------------------------------------


def test_who_only_looks_at_anothers_folder_does_not_serve(
    runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch
):
    """In a folder of another user nobody else starts a dispatcher, or a run; with FMNIST_SHARED both work."""
    runs.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: runs.stat().st_uid + 1)
    assert client.list_runs() == []
    with pytest.raises(client.RunRefused, match=r"belongs to .*: start runs as that user"):
        client.start(CONFIG)
    assert "belongs to" in client.trouble()
    assert starts == []
    monkeypatch.setenv("FMNIST_SHARED", "1")
    assert client.start(CONFIG)
    assert starts == [runs]


def test_a_folder_that_may_not_be_read_is_not_called_empty(
    runs: Path, starts: list[Path], capsys: pytest.CaptureFixture[str]
):
    """Neither on Train nor in the terminal: there may be runs in it."""
    runs.mkdir(mode=0o000)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # nothing is closed to root
    try:
        assert client.unreadable() == {runs.name: f"{runs} cannot be read (Permission denied)."}
        main(["runs", "list"])
    finally:
        os.seteuid(before)
    assert "cannot be read (Permission denied)" in (said := capsys.readouterr().err)
    assert "No run yet" not in said


def test_others_read_and_lock_nothing(runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch):
    """Folders are 0700 and files 0600, those from before as soon as a dispatcher serves; shared ones follow the umask."""
    before = os.umask(0o022)
    try:
        run_id = client.start(CONFIG)
        for path in (runs, *runs.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        (runs / run_id).chmod(0o755)
        (runs / ".sequence").chmod(0o644)
        (runs / "holiday.jpg").touch(0o644)
        protect(runs)
        assert stat.S_IMODE((runs / run_id).stat().st_mode) == 0o700
        assert stat.S_IMODE((runs / ".sequence").stat().st_mode) == 0o600
        assert stat.S_IMODE((runs / "holiday.jpg").stat().st_mode) == 0o644, "not ours"
        monkeypatch.setenv("FMNIST_SHARED", "1")
        os.umask(0o022)
        assert stat.S_IMODE((runs / client.start(CONFIG)).stat().st_mode) == 0o755
        os.umask(0o002)  # a common group: whoever serves next writes the same index
        Index(runs).close()
        assert stat.S_IMODE((runs / FILE).stat().st_mode) == 0o664
    finally:
        os.umask(before)


def test_a_dispatcher_of_an_older_version_is_replaced(runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch):
    """One that has not signed its lock gets an index that is too new for it, and ends; one that has signed stays."""
    monkeypatch.setattr(bell, "LOOKS", 0.0)  # each look is heard
    runs.mkdir()
    lock = lock_of_ours(runs / bell.LOCK)
    pipe = open_bell(runs)
    old = Index(runs)
    old._connection.execute(f"PRAGMA user_version = {VERSION - 1}")
    assert client.list_runs() == []
    assert not old.is_as_left
    old.close()
    Index(runs).close()  # of this version now, and sound
    inode = (runs / FILE).stat().st_ino
    Place(runs, lock).sign()
    assert client.list_runs() == []
    assert (runs / FILE).stat().st_ino == inode
    assert os.read(pipe, 10) == b"!!"
    os.close(pipe)
    lock.close()
    assert starts == []


def test_another_number_of_slots_is_heard(runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch):
    """A server that was started later, with other slots, has the dispatcher make room; one without a wish does not."""
    runs.mkdir()
    lock, pipe = lock_of_ours(runs / bell.LOCK), open_bell(runs)
    Place(runs, lock).sign()
    monkeypatch.setattr(bell, "_SINCE", time.time() + 10)
    monkeypatch.setattr(bell, "LOOKS", 0.0)  # each look is heard
    client.list_runs()
    monkeypatch.setenv("FMNIST_SLOTS", "2")
    client.list_runs()
    assert os.read(pipe, 10) == b"!!" + bell.END
    os.close(pipe)
    lock.close()


def test_a_changed_program_is_noticed(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """Once its files stand still, the dispatcher gives way to one of the new program; when they are gone, it ends."""
    runs.mkdir()
    lock = lock_of_ours(runs / bell.LOCK)
    own = Place(runs, lock)
    monkeypatch.setattr(place, "watches_program", True)
    monkeypatch.setattr(place, "LOOKS_EVERY", -1.0)
    assert not own.is_lost()
    for state, is_lost in (((("a", 1, 1),), False), ((("a", 2, 1),), False), ((("a", 2, 1),), True)):
        monkeypatch.setattr(place, "program", lambda state=state: state)
        assert own.is_lost() is is_lost
    assert own.is_outdated
    monkeypatch.setattr(place, "program", lambda: ())
    assert own.is_lost()
    assert not own.is_outdated
    lock.close()


def test_an_index_of_a_newer_version_still_ends_a_dispatcher(runs: Path):
    """Nothing that is caught for the sake of the others hides it."""
    runs.mkdir()
    dispatcher = Dispatcher(runs, Counts())
    index = Index(runs)
    index._connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    index.close()
    with pytest.raises(IndexTooNew):
        dispatcher.serve(None)


# --- A crowd that looks --------------------------------------------------------------------------------------------


def test_who_only_looks_rings_seldom(runs: Path, starts: list[Path], monkeypatch: pytest.MonkeyPatch):
    """However many look, the dispatcher hears of it once in `LOOKS` seconds; whatever is asked for wakes it at once."""
    runs.mkdir()
    lock, pipe = lock_of_ours(runs / bell.LOCK), open_bell(runs)
    assert pipe is not None
    Place(runs, lock).sign()
    monkeypatch.setattr(bell, "LOOKS", 1e9)
    for _look in range(100):
        client.list_runs()
        client.trouble()
    assert os.read(pipe, 1000) == b"!"
    run_id = client.start(CONFIG)
    assert os.read(pipe, 1000)
    client.stop(run_id)
    assert os.read(pipe, 1000)
    os.close(pipe)
    client.list_runs()
    assert starts == [runs]  # that it has gone is noticed at the next look
    lock.close()


def test_many_who_ring_leave_the_dispatcher_most_of_its_time(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """Everybody who looks rings: a dispatcher whose turns take 20 ms rests nine times as long in between, however often it rings."""
    runs.mkdir()
    handle, dispatcher, began, ended = open_bell(runs), Dispatcher(runs, Counts()), [], []
    assert handle is not None

    def turn() -> None:
        began.append(time.monotonic())
        time.sleep(0.02)
        bell.ring(runs)  # somebody always has, meanwhile
        ended.append(time.monotonic())

    monkeypatch.setattr(dispatcher, "turn", turn)
    dispatcher.serve(handle, lambda: len(began) == 3)
    os.close(handle)
    rested = [after - before for before, after in zip(ended, began[1:], strict=False)]
    assert all(
        rest >= min(RESTS_MOST, 9 * (end - start)) for rest, start, end in zip(rested, began, ended, strict=False)
    )


# --- A spare that is suspended -------------------------------------------------------------------------------------


def test_a_suspended_spare_is_noticed(runs: Path, monkeypatch: pytest.MonkeyPatch):
    """A warm spare that does not say that it has heard of its run is killed, and another worker takes the run; one that is still
    getting warm is waited for.
    """
    monkeypatch.setattr("fmnist_core.runs.service.executor.ANSWERS_WITHIN", 0.3)
    begins, sleeps, warm = "import os, sys, time", "time.sleep(600)", "os.write(1, b'{}\\n')"
    deaf = f"{begins}; {warm}; {sleeps}"
    slow = f"{begins}; line = sys.stdin.readline(); time.sleep(1); os.write(1, b'{{}}\\nheard\\n'); {sleeps}"
    executor, started = LocalExecutor(), []

    def popen(*arguments: str, gpu: str = "") -> subprocess.Popen[bytes]:
        started.append(arguments)
        program = deaf if len(started) == 1 else slow
        process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        os.set_blocking(process.stdout.fileno(), False)
        return process

    monkeypatch.setattr(executor, "_popen", popen)
    for name, expected in (("one", [("--spare",), ("--first", "one")]), ("two", [("--spare",)])):
        started[1:] = [] if name == "one" else started[1:]
        executor._last_start = -100.0
        executor.look_after(spare=True)
        (spare,) = executor._waiting
        executor.start(Path(name))
        until = time.monotonic() + 20
        while executor._workers[Path(name)].given_at and time.monotonic() < until:
            executor.look_after(spare=False)
            time.sleep(0.02)
        assert executor._workers[Path(name)].given_at is None
        assert (spare.process.poll() is None) is (name == "two")
        assert [*started][-len(expected) :] == expected
        assert executor.is_at_work(Path(name))
        executor.kill(Path(name))
        wait_until(lambda spare=spare: not is_alive(spare.process.pid))


def test_a_server_that_is_too_old_does_not_doubt_the_index(runs: Path, starts: list[Path]):
    """What a newer program wrote is no damage: nobody has it made anew, and the page says what to do."""
    runs.mkdir()
    lock, pipe = lock_of_ours(runs / bell.LOCK), open_bell(runs)
    Place(runs, lock).sign()
    index = Index(runs)
    index._connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    index.close()
    assert client.list_runs() == []
    assert os.read(pipe, 10) == b"!"
    assert client.trouble() == f"{runs / FILE} was written by a newer version of Fashion-MNIST Lab: use that one."
    os.close(pipe)
    lock.close()

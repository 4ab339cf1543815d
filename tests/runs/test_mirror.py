"""Two folders and whatever can happen between them: lines, files, requests, and the end of either side."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_core.files import write_whole
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.format import to_json
from fmnist_core.runs.files.record import Claimed, Finished, Paused, State
from fmnist_core.runs.service.cluster import mirror
from fmnist_core.runs.service.cluster.here import Here, follow
from fmnist_core.runs.service.cluster.mirror import News
from tests.runs.far import hear, scripted
from tests.runs.lab import (
    SMALL,
    events,
    is_alive,
    recorded,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("scratch")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run that nobody trains."""
    (tmp_path / "runs").mkdir()
    return RunFolder.create(tmp_path / "runs", "0123456789ab", 1, "", SMALL)


# --- Files, lines and requests, one by one -------------------------------------------------------------------------


def test_torn_lines_and_files_replaced_while_they_are_read(run: RunFolder):
    """Half a line is not told before its end is there, nor ever when it is taken back; of a file the newest comes last."""
    first, second = to_json(Claimed(7)), to_json(Finished(3))
    here = Here(run)
    there = scripted(
        here,
        f"""
events = open(folder / "events.jsonl", "ab", buffering=0)
events.write({first.encode()!r} + b"\\n" + {second.encode()!r}[:20]); time.sleep(0.3)
os.truncate(folder / "events.jsonl", {len(first) + 1})
for n in range(200): whole("checkpoints/00000001.safetensors", bytes([n]) * 100_000)
whole("snapshots/00000001.npy", b"logits"); whole("snapshots/predictions.npz", b"made here again")
whole("steps/00000001.npz", b"step"); (folder / "steps/00000001.npz").unlink()
events.write({second.encode()!r} + b"\\n"); sys.exit(3)
""",
    )
    told = hear(here, there)
    there.close()
    assert told[-1].status == 3
    assert events(run) == [Claimed(7), Finished(3)]
    assert (run.path / "checkpoints" / "00000001.safetensors").read_bytes() == bytes([199]) * 100_000
    assert (run.path / "snapshots" / "00000001.npy").read_bytes() == b"logits"
    assert not (run.path / "snapshots" / "predictions.npz").exists(), "each side makes its own"
    assert not (run.path / "steps" / "00000001.npz").exists()


def test_whoever_finds_a_line_finds_what_it_speaks_of(run: RunFolder):
    """Files are applied before the lines, checkpoints after what was kept before them, and removals last."""
    here, order = Here(run), []
    (run.path / "checkpoints" / "00000001.safetensors").write_bytes(b"old")
    news = News(
        appended={"events.jsonl": to_json(Claimed(7)).encode() + b"\n"},
        files={"checkpoints/00000002.safetensors": b"new", "snapshots/film/00000000-00000002.safetensors": b"film"},
        gone=["checkpoints/00000001.safetensors"],
    )
    sys.addaudithook(
        lambda name, values: (
            order.append((name, str(values[0]))) if name in ("open", "os.rename", "os.remove") else None
        )
    )
    os_write = here.writer.write
    here.writer.write = lambda *a, **k: (order.append(("line", "")), os_write(*a, **k))[1]  # type: ignore[method-assign]
    here.apply(news)
    done = [("line" if name == "line" else name, Path(path).name) for name, path in order]
    film = done.index(("os.rename", ".00000000-00000002.safetensors.tmp"))
    checkpoint = done.index(("os.rename", ".00000002.safetensors.tmp"))
    removed = done.index(("os.remove", "00000001.safetensors"))
    assert film < checkpoint < done.index(("line", "")) < removed


def test_requests_come_and_go_on_both_sides(run: RunFolder):
    """A request is there once, is withdrawn there too, and when it is asked again while it is settled it stays asked."""
    here = Here(run)
    run.ask("pause")
    there = scripted(
        here,
        """
pause = folder / "requests/pause"
until(pause.exists); whole("steps/00000001.npz", b"seen"); until(lambda: not pause.exists())  # withdrawn
step = folder / "requests/step"
until(step.exists); assert step.read_text() == "1"; step.unlink()
until(step.exists); assert step.read_text() == "2"; step.unlink()
""",
    )
    hear(here, there, (run.path / "steps" / "00000001.npz").exists)
    run.settle("pause")
    run.ask("step", "1")
    while "step" not in (news := there.exchange(here.asked())).settled:
        here.apply(news)
    run.ask("step", "2")  # before it is heard here that the first one was settled
    here.apply(news)
    assert run.asked("step") == "2"
    assert hear(here, there)[-1].status == 0
    there.close()
    assert run.asked("step") is None


def test_names_from_there_stay_within_the_run(run: RunFolder, tmp_path: Path):
    """What the other side sends is written where it belongs or not at all."""
    here = Here(run)
    settings = (run.path / "config.json").read_bytes()
    names = (
        "../../escaped",
        "checkpoints/../../escaped",
        "config.json",
        "worker.lock",
        "/tmp/escaped",
        "steps/.hidden",
    )
    here.apply(News(files=dict.fromkeys(names, b"!"), gone=["config.json"], settled={"../config.json": (0, 0, 0)}))
    assert (run.path / "config.json").read_bytes() == settings
    assert not list(tmp_path.rglob("escaped"))
    assert {path.name for path in run.path.iterdir()} <= {
        "config.json",
        "checkpoints",
        "snapshots",
        "requests",
        "events.jsonl",
        ".reserve",
    }


def test_a_full_disk_here_pauses_the_run(run: RunFolder, monkeypatch: pytest.MonkeyPatch):
    """What came fits no more: the worker there ends, and the run is paused with a sentence."""
    here = Here(run)
    there = scripted(here, 'whole("checkpoints/00000001.safetensors", b"0" * 1000); time.sleep(60)')

    def full(path: Path, content: bytes, **options: bool) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fmnist_core.runs.service.cluster.here.write_whole", full)
    assert follow(here, there) == 0
    (paused,) = events(run, Paused)
    assert paused.reason.startswith("The disk is full")


def test_a_deleted_run_ends_its_worker(run: RunFolder, scratch: Path):
    """The folder here is gone: the worker there ends, and nothing is made anew."""
    here = Here(run)
    there = scripted(here, 'whole("checkpoints/00000001.safetensors", b"0" * 1000); time.sleep(60)')
    run.path.rename(run.path.with_name(".deleted-0123456789ab"))
    assert follow(here, there) == 128 + signal.SIGTERM, "it was asked to end, and this one cannot"
    assert not run.path.exists()
    assert not list(scratch.iterdir())


def test_while_it_waits_for_a_node_it_can_be_ended(run: RunFolder):
    """Stop and pause need no worker."""
    here = Here(run)
    assert not here.end_if_asked()
    run.ask("pause")
    assert here.end_if_asked()
    assert recorded(run).state is State.PAUSED
    assert not run.is_asked("pause")
    here.give_back()
    assert recorded(run).state is State.PAUSED, "it does not wait again by itself"


# --- Nobody follows any more ---------------------------------------------------------------------------------------


def test_a_worker_that_nobody_follows_ends(run: RunFolder, scratch: Path):
    """Whoever called is killed: the worker there ends, and so does its scratch folder."""
    program = """
import sys, time
from pathlib import Path
from fmnist_core.runs.files.folder import RunFolder
from tests.runs.far import Here, scripted
here = Here(RunFolder(Path(sys.argv[1])))
there = scripted(here, 'print(1); (folder / "worker.log").write_text(str(os.getpid())); time.sleep(600)')
log = there.folder.path / "worker.log"
while not (log.exists() and log.read_text()): there.exchange({})
print(log.read_text(), flush=True); time.sleep(600)
"""
    caller = subprocess.Popen(
        [sys.executable, "-c", program, str(run.path)],
        cwd=REPOSITORY, env=os.environ | {"TMPDIR": str(scratch)}, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert caller.stdout
    worker = int(caller.stdout.readline())
    assert is_alive(worker)
    caller.kill()
    caller.wait()
    wait_until(lambda: not is_alive(worker))
    wait_until(lambda: not list(scratch.iterdir()))


def test_scratch_folders_of_killed_machines_are_swept(scratch: Path, run: RunFolder):
    """One that nobody holds goes, one that is in use or just being made stays."""
    for name in ("left", "used", "new"):
        (scratch / f"{mirror.PREFIX}{name}").mkdir()
        write_whole(scratch / f"{mirror.PREFIX}{name}" / ".lock", b"")
    held = mirror.lock(scratch / f"{mirror.PREFIX}used" / ".lock")
    for name in ("left", "used"):
        os.utime(scratch / f"{mirror.PREFIX}{name}", (0, 0))
    mirror.sweep()
    assert {path.name for path in scratch.iterdir()} == {f"{mirror.PREFIX}used", f"{mirror.PREFIX}new"}
    assert held

"""On the other machine: a run's folder in which the worker trains as it would here, and what changes in it.

`Mirror` starts the worker in a scratch folder; whoever can call `exchange` hears what is new and leaves requests. It knows
neither network nor engine: `here.py` is the other side.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fmnist_core.files import lock, make_folder, write_whole
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.files.folder import RunFolder

ANSWERS_AFTER, LOOKS_EVERY = 0.2, 0.02
"""Seconds after which an exchange without news answers, and between two looks."""
LISTS_EVERY = 1.0
"""Seconds between two looks at every file, beside those after a folder has changed: two changes may share a time stamp."""
ENDS_WITHIN = 15.0
"""Seconds that the scratch folder may take to go."""
ABANDONED_AFTER = 60.0
"""Seconds without a lock after which a scratch folder is nobody's, rather than just being made."""

PREFIX = "fmnist-run-"
LOGS = ("events.jsonl", "worker.log")
"""What only grows, the events first."""
FOLDERS = ("checkpoints", "snapshots", "snapshots/film", "steps")
"""What is mirrored, in the order in which it is read: a checkpoint before the weights of earlier steps, which are then there.

Applied in the other direction: whoever finds a checkpoint finds what was kept before it.
"""
SHRINK = ("checkpoints", "steps")
"""Folders whose files the worker removes, so that they are removed here too."""

WORKER = (sys.executable, "-m", "fmnist_core.runs.service.worker")

Stamp = tuple[int, int, int]
"""When a file was written, its size and number: tells only whether it is another one."""
Asked = dict[str, tuple[Stamp, bytes]]
"""All requests that wait: name, which one of that name it is, content."""

_NAME = re.compile(r"(checkpoints|snapshots|snapshots/film|steps)/(?!\.)[A-Za-z0-9_.-]+")
_REQUEST = re.compile(r"[a-z]+(-[0-9]+)?")
_MADE_ANYWHERE = "snapshots/predictions.npz"


def is_mirrored(name: str) -> bool:
    """Whether a file of this name, "checkpoints/00000100.safetensors" say, goes from one side to the other.

    >>> is_mirrored("snapshots/film/00000000-00000012.safetensors"), is_mirrored("checkpoints/../config.json")
    (True, False)
    """
    return bool(_NAME.fullmatch(name)) and not name.endswith(".tmp") and name != _MADE_ANYWHERE


def is_request(name: str) -> bool:
    """Whether a request may have this name.

    >>> is_request("stop"), is_request("change-00000000000000000012"), is_request("../stop")
    (True, True, False)
    """
    return _REQUEST.fullmatch(name) is not None


@dataclass
class News:
    """What has changed since the last exchange."""

    appended: dict[str, bytes] = field(default_factory=dict)
    """By name of the file that grew; of events whole lines only."""
    files: dict[str, bytes] = field(default_factory=dict)
    """New or written anew, by name."""
    gone: list[str] = field(default_factory=list)
    settled: dict[str, Stamp] = field(default_factory=dict)
    """Requests that the worker has removed, and which ones they were."""
    is_held: bool = True
    """Whether a worker there has the run."""
    status: int | None = None
    """The worker's exit status, once it has ended; 128 and the signal's number where one ended it."""

    def __bool__(self) -> bool:
        return bool(self.appended or self.files or self.gone or self.settled) or self.status is not None


class There(Protocol):
    """The other machine, as whoever has the run here sees it. What it raises ends the connection."""

    def exchange(self, asked: Asked, *, end: bool = False) -> News:
        """Leave requests, hear what is new; with `end` the worker is asked to end with a checkpoint."""

    def close(self) -> None:
        """End what is left of the worker, at once, and remove its folder."""


class Mirror:
    """Where the run trains; a `There`."""

    def __init__(
        self, run_id: str, files: dict[str, bytes], environment: dict[str, str], worker: Sequence[str] = WORKER
    ) -> None:
        sweep()
        self._home = Path(tempfile.mkdtemp(prefix=PREFIX))
        scratch_lock = lock(self._home / ".lock")  # held by this process and by the guard: the last one lets go
        assert scratch_lock
        self._lock = scratch_lock
        self.folder = RunFolder(self._home / run_id)
        make_folder(self.folder.path)
        for name in (*FOLDERS, "requests"):
            make_folder(self.folder.path / name)
        for name, content in files.items():
            if is_mirrored(name) or name in ("config.json", "events.jsonl"):
                write_whole(self.folder.path / name, content, durable=False)
        self._read = {"events.jsonl": len(files.get("events.jsonl", b"")), "worker.log": 0}
        self._seen = self._listed()
        self._left: dict[str, Stamp] = {}
        self._changed: tuple[int, ...] = ()
        self._listed_at = 0.0
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "fmnist_core.runs.service.cluster.guard", str(self.folder.path), *worker],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env=os.environ | environment,
            pass_fds=(scratch_lock.fileno(),),
            start_new_session=True,
        )

    def exchange(self, asked: Asked, *, end: bool = False) -> News:
        """At once where there is something new, else after `ANSWERS_AFTER` seconds."""
        self._tell(b"e" if end else b".")
        self._leave(asked)
        until = time.monotonic() + ANSWERS_AFTER
        while not (news := self._news()) and time.monotonic() < until:
            time.sleep(LOOKS_EVERY)
        return news

    def close(self) -> None:
        """Returns when the worker and its folder are gone."""
        self._tell(b"k")
        try:
            self._guard.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            self._guard.kill()
            self._guard.wait()
        assert self._guard.stdin
        self._guard.stdin.close()
        shutil.rmtree(self._home, ignore_errors=True)
        self._lock.close()

    def _tell(self, message: bytes) -> None:
        assert self._guard.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended, as its status tells
            os.write(self._guard.stdin.fileno(), message)

    # --- Requests --------------------------------------------------------------------------------------------------

    def _leave(self, asked: Asked) -> None:
        requests = self.folder.path / "requests"
        for name, (stamp, content) in asked.items():
            if is_request(name) and self._left.get(name) != stamp:
                write_whole(requests / name, content, durable=False)
                self._left[name] = stamp
        for name in self._left.keys() - asked.keys():
            (requests / name).unlink(missing_ok=True)  # withdrawn, or known to be settled
            del self._left[name]

    # --- What is new -----------------------------------------------------------------------------------------------

    def _news(self) -> News:
        status, is_held = self._guard.poll(), self._is_held()  # before looking: then nothing comes after
        news = News(is_held=is_held, status=status)
        for name in LOGS:  # before the files: what a line speaks of is there
            if content := self._grown(name):
                news.appended[name] = content
                self._read[name] += len(content)
        changed, now = self._folders_changed(), time.monotonic()
        if changed == self._changed and status is None and now - self._listed_at < LISTS_EVERY:
            return news
        self._changed, self._listed_at = changed, now
        listed = self._listed()
        for name, stamp in listed.items():
            if self._seen.get(name) != stamp:
                try:
                    news.files[name] = (self.folder.path / name).read_bytes()
                except FileNotFoundError:
                    continue  # removed since: the next look tells
                self._seen[name] = stamp
        news.gone = [name for name in self._seen if name not in listed]
        for name in news.gone:
            del self._seen[name]
        news.gone = [name for name in news.gone if name.startswith(SHRINK)]
        requests = self.folder.path / "requests"
        news.settled = {name: stamp for name, stamp in self._left.items() if not (requests / name).exists()}
        return news

    def _grown(self, name: str) -> bytes:
        """What has been written since; of events whole lines, because a torn one may be taken back."""
        try:
            with open(self.folder.path / name, "rb") as file:
                file.seek(self._read[name])
                content = file.read()
        except FileNotFoundError:
            return b""
        return content[: content.rfind(b"\n") + 1] if name == "events.jsonl" else content

    def _folders_changed(self) -> tuple[int, ...]:
        return tuple((self.folder.path / name).stat().st_mtime_ns for name in (*FOLDERS, "requests"))

    def _listed(self) -> dict[str, Stamp]:
        """The mirrored files that are there, in the order in which they are to be read."""
        found = {}
        for folder in FOLDERS:
            for entry in os.scandir(self.folder.path / folder):
                if is_mirrored(name := f"{folder}/{entry.name}") and not entry.is_dir():
                    try:
                        found[name] = stamp_of(Path(entry.path))
                    except FileNotFoundError:
                        continue
        return found

    def _is_held(self) -> bool:
        if held := self.folder.lock():
            held.close()
        return held is None


def stamp_of(path: Path) -> Stamp:
    """Raises OSError."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def sweep() -> None:
    """Remove the scratch folders that nobody uses any more: their processes were killed."""
    for home in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            if time.time() - home.stat().st_mtime < ABANDONED_AFTER or home.stat().st_uid != os.geteuid():
                continue
            if unused := lock(home / ".lock"):
                with unused:
                    shutil.rmtree(home, ignore_errors=True)
        except (OSError, ValueError):
            continue  # somebody else was quicker

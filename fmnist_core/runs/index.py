"""The SQLite index over all runs: a cache of what the folders say, rebuilt from them at any time.

Only the dispatcher writes it; everybody else opens it read-only. (SQLite 3.7.0 to 3.51.2 can lose pages when two
connections write and checkpoint at once; hence one writer, and no write-ahead log.)
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fmnist_core.files import open_file, wrong_kind
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.row import run_from_json, run_to_json

VERSION = 5
FILE = "index.sqlite"

_SCHEMA = """
CREATE TABLE runs (
    id       TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    state    TEXT NOT NULL,
    name     TEXT NOT NULL,
    accuracy REAL,              -- latest, on the test images, 0 to 1
    seconds  REAL NOT NULL,     -- training time
    run      TEXT NOT NULL,     -- all of it: see row.py
    offset   INTEGER NOT NULL   -- bytes of events.jsonl that are in it
);
CREATE INDEX runs_by_sequence ON runs (sequence);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class IndexTooNew(Exception):
    """The index was written by a newer version of this program: it is left alone."""


class Index:
    """The writer's side. One per runs directory: the dispatcher's."""

    def __init__(self, runs: Path) -> None:
        self.path = runs / FILE
        self._connection = self._open()
        self._left = self._stamp()

    @property
    def is_as_left(self) -> bool:
        """Whether nobody else has removed, replaced or written the file since."""
        return self._stamp() == self._left

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self.path.stat()
        except OSError:
            return ()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _open(self) -> sqlite3.Connection:
        """Open, or make anew where it is missing, older or damaged."""
        if self.path.exists():
            connection = sqlite3.connect(self.path, timeout=5)
            try:
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version > VERSION:
                    raise IndexTooNew(
                        f"{self.path} was written by a newer version of Fashion-MNIST Lab: use that one, or move the file away."
                    )
                if version == VERSION and connection.execute("PRAGMA quick_check").fetchone() == ("ok",):
                    return connection
            except sqlite3.DatabaseError:
                pass  # damaged
            except IndexTooNew:
                connection.close()
                raise
            connection.close()
            self.path.unlink()
            self.path.with_name(f"{FILE}-journal").unlink(missing_ok=True)
        os.close(open_file(self.path, os.O_RDWR | os.O_CREAT))  # with our permissions: SQLite leaves others out
        connection = sqlite3.connect(self.path, timeout=5)
        with connection:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        return connection

    def load(self) -> dict[str, tuple[Run, int]]:
        """Every run with the offset up to which its events are in it."""
        rows = self._connection.execute("SELECT id, run, offset FROM runs")
        return {run_id: (run_from_json(text), offset) for run_id, text, offset in rows}

    def save(self, runs: Iterable[tuple[Run, int]], gone: Iterable[str] = ()) -> None:
        """Events and offset go in together, or not at all."""
        rows = []
        for run, offset in runs:
            accuracy = run.latest.test.accuracy if run.latest and run.latest.test else None
            with contextlib.suppress(ValueError):  # numbers that nobody can write down: found in the folder each time
                rows.append(
                    (run.id, run.sequence, run.state, run.name, accuracy, run.seconds, run_to_json(run), offset)
                )
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._connection.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in gone])
        self._left = self._stamp()

    def save_fact(self, name: str, value: str) -> None:
        """A word about this machine, such as its devices."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        self._left = self._stamp()

    def fact(self, name: str) -> str | None:
        """What `save_fact` kept; None where that cannot be read."""
        with contextlib.suppress(sqlite3.DatabaseError):
            row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            return row[0] if row and isinstance(row[0], str) else None
        return None

    def close(self) -> None:
        """Everything is on disk."""
        self._connection.close()


class IndexReader:
    """The readers' side: short-lived, read-only. Raises sqlite3.Error where there is no usable index.

    What one has read is kept for the others of this process until the file is another one: a hundred may look at once.
    """

    def __init__(self, runs: Path) -> None:
        self._path = runs / FILE
        if wrong := wrong_kind(self._path):  # SQLite would wait for a FIFO
            raise sqlite3.OperationalError(f"{self._path} is {wrong}")
        self._connection: sqlite3.Connection | None = None
        stamp, known = _stamp(self._path), _read.get(self._path)  # the stamp first: what is read now is no older
        self._read = known if known and stamp and known.stamp == stamp else _Read(stamp)

    def __enter__(self) -> Self:
        if not self._read.is_sound:
            try:
                (version,) = self._open().execute("PRAGMA user_version").fetchone()
                if version > VERSION:  # nothing is wrong with it: this process is too old, as `client.trouble` says
                    raise sqlite3.OperationalError(f"index version {version}, newer than {VERSION}")
                if version != VERSION:
                    raise sqlite3.DatabaseError(f"index version {version}, not {VERSION}")
            except sqlite3.Error:
                self.__exit__()
                raise
            self._read.is_sound = True
            _read[self._path] = self._read
        return self

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # a plain path in a URI: percent signs and question marks in folder names must not be read as syntax
            self._connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=2)
        return self._connection

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    def runs(self) -> list[tuple[Run, int]]:
        """All runs, newest first, each with the offset up to which its events are in it."""
        if self._read.runs is None:
            rows = self._open().execute("SELECT id, run, offset FROM runs ORDER BY sequence DESC").fetchall()
            for gone in set(_parsed) - {run_id for run_id, _text, _offset in rows}:
                _parsed.pop(gone, None)
            self._read.runs = [(_run(run_id, text), offset) for run_id, text, offset in rows]
        return list(self._read.runs)

    def run(self, run_id: str) -> tuple[Run, int] | None:
        """One run with its offset, if the index has it."""
        if self._read.runs is not None:
            return next((found for found in self._read.runs if found[0].id == run_id), None)
        if run_id not in self._read.one:
            row = self._open().execute("SELECT run, offset FROM runs WHERE id = ?", (run_id,)).fetchone()
            self._read.one[run_id] = (_run(run_id, row[0]), row[1]) if row else None
        return self._read.one[run_id]

    def fact(self, name: str) -> str | None:
        """What `save_fact` kept."""
        if name not in self._read.facts:
            row = self._open().execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
            self._read.facts[name] = row[0] if row else None
        return self._read.facts[name]


@dataclass
class _Read:
    """What readers of this process have found in an index, as long as its stamp stays."""

    stamp: tuple[object, ...]
    is_sound: bool = False
    """Whether it is of our version."""
    runs: list[tuple[Run, int]] | None = None
    one: dict[str, tuple[Run, int] | None] = field(default_factory=dict)
    facts: dict[str, str | None] = field(default_factory=dict)


_read: dict[Path, _Read] = {}


def _stamp(path: Path) -> tuple[object, ...]:
    """Another one after each change: inode, size, the time of the change, which nobody can set, and the counter that SQLite raises
    with each transaction (bytes 24 to 27).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ()
    try:
        status = os.fstat(handle)
        return status.st_ino, status.st_size, status.st_ctime_ns, os.pread(handle, 4, 24)
    except OSError:
        return ()
    finally:
        os.close(handle)


def leave_to_newer(runs: Path) -> None:
    """Put an empty index of this version in the place of an older one: the older dispatcher that uses it then ends.

    Raises OSError.
    """
    made = runs / f".{FILE}.{VERSION}"
    made.unlink(missing_ok=True)
    connection = sqlite3.connect(made)
    with connection:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    connection.close()
    made.replace(runs / FILE)


def is_newer(runs: Path) -> bool:
    """Whether the index was written by a newer version of this program."""
    if (known := _read.get(runs / FILE)) and known.stamp == _stamp(runs / FILE):
        return False  # of our version, as somebody has found
    if wrong_kind(runs / FILE) or not (runs / FILE).exists():
        return False
    try:
        connection = sqlite3.connect(f"{(runs / FILE).as_uri()}?mode=ro", uri=True)
        try:
            return bool(connection.execute("PRAGMA user_version").fetchone()[0] > VERSION)
        finally:
            connection.close()
    except sqlite3.Error:
        return False


_parsed: dict[str, tuple[str, Run]] = {}
"""The newest text of each run, and what it says: read once per process, a list of 1,000 runs is ten times quicker."""


def _run(run_id: str, text: str) -> Run:
    """The run of that text."""
    if (known := _parsed.get(run_id)) and known[0] == text:
        return known[1]
    try:
        run = run_from_json(text)
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:  # damaged within the text, where SQLite cannot tell
        raise sqlite3.DatabaseError(f"not a run: {text[:80]!r}") from error
    _parsed[run_id] = text, run
    return run

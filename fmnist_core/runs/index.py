"""The SQLite index over all runs: a cache of what the folders say, rebuilt from them at any time.

Only the dispatcher writes it; everybody else opens it read-only. (SQLite 3.7.0 to 3.51.2 can lose pages when two
connections write and checkpoint at once; hence one writer, and no write-ahead log.)
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable
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
    """The readers' side: short-lived, read-only. Raises sqlite3.Error where there is no usable index."""

    def __init__(self, runs: Path) -> None:
        if wrong := wrong_kind(runs / FILE):  # SQLite would wait for a FIFO
            raise sqlite3.OperationalError(f"{runs / FILE} is {wrong}")
        # a plain path in a URI: percent signs and question marks in folder names must not be read as syntax
        self._connection = sqlite3.connect(f"{(runs / FILE).as_uri()}?mode=ro", uri=True, timeout=2)

    def __enter__(self) -> Self:
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > VERSION:  # nothing is wrong with it: this process is too old, as `client.trouble` says
                raise sqlite3.OperationalError(f"index version {version}, newer than {VERSION}")
            if version != VERSION:
                raise sqlite3.DatabaseError(f"index version {version}, not {VERSION}")
        except sqlite3.Error:
            self._connection.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def runs(self) -> list[tuple[Run, int]]:
        """All runs, newest first, each with the offset up to which its events are in it."""
        rows = self._connection.execute("SELECT id, run, offset FROM runs ORDER BY sequence DESC").fetchall()
        for gone in set(_parsed) - {run_id for run_id, _text, _offset in rows}:
            _parsed.pop(gone, None)
        return [(_run(run_id, text), offset) for run_id, text, offset in rows]

    def run(self, run_id: str) -> tuple[Run, int] | None:
        """One run with its offset, if the index has it."""
        row = self._connection.execute("SELECT run, offset FROM runs WHERE id = ?", (run_id,)).fetchone()
        return (_run(run_id, row[0]), row[1]) if row else None

    def fact(self, name: str) -> str | None:
        """What `save_fact` kept."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None


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

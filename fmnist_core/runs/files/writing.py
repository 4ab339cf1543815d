"""How a run's files are written, so that a killed process and a full disk leave them whole."""

from __future__ import annotations

import os
from pathlib import Path

from fmnist_core.files import open_file, remove, write_whole, wrong_kind
from fmnist_core.runs.files.format import to_json
from fmnist_core.runs.files.record import RunEvent

RESERVED = 64 * 1024
"""Bytes set aside when a run starts, so that its last words fit on a full disk."""


class EventWriter:
    """Appends to `events.jsonl`. Only for the process that holds the run's lock."""

    def __init__(self, folder: Path) -> None:
        self._reserve = folder / ".reserve"
        handle = open_file(folder / "events.jsonl", os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._file = os.fdopen(handle, "r+b", buffering=0)
        self._size = _complete(handle)
        if os.fstat(handle).st_size != self._size:
            self._file.truncate(self._size)  # a line torn by a crash

    def reserve(self) -> None:
        """Set space aside for the last words. Raises OSError when there is none."""
        if wrong_kind(self._reserve):
            remove(self._reserve)
        if not self._reserve.exists():
            write_whole(self._reserve, bytes(RESERVED))

    def write(self, event: RunEvent, *, durable: bool = False) -> None:
        """One line, at once visible to readers; `durable` waits until a power cut could not take it away.

        Raises OSError when it does not fit on the disk; what was there stays as it was.
        """
        line = to_json(event).encode() + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):  # the disk filled up within the line: the rest tells why
                self._file.write(line[written:])
            if durable:
                os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._size)
            raise
        self._size += len(line)

    def write_last_words(self, event: RunEvent) -> None:
        """On a full disk too: the space set aside is given up for it."""
        remove(self._reserve)
        self.write(event, durable=True)

    def close(self) -> None:
        """The file is complete."""
        self._file.close()


def _complete(handle: int) -> int:
    """Bytes up to the end of the last complete line."""
    end = os.fstat(handle).st_size
    while end:
        start = max(0, end - (1 << 16))
        if (found := os.pread(handle, end - start, start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0

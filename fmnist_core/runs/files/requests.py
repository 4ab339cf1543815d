"""What people ask of a run while it waits, trains or pauses: small files in its folder `requests`.

Whoever fulfils one removes it. What is no request of ours, or asks for what cannot be, is void.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fmnist_core.files import make_folder, parse, read, remove, to_json, write_whole, wrong_kind
from fmnist_core.settings.config import SETTINGS

Request = Literal["stop", "pause", "resume", "step", "delete", "look"]
"""To "look": somebody stands before the time slider, and waits for its moments."""

_CHANGE = re.compile(r"change-([0-9]{20})")
MOST_BYTES = 1_000


@dataclass(frozen=True)
class Requests:
    """The part of a run's folder that others write to."""

    path: Path

    def ask(self, request: Request, content: str = "") -> None:
        """Leave a request for the worker or the dispatcher. Raises OSError."""
        self._leave(request, content)

    def ask_for_change(self, learning_rate: float | None, momentum: float | None) -> None:
        """Leave a request for other rates; None keeps what there is. Those that wait already are fulfilled before it.

        Raises OSError.
        """
        waiting = [int(name.removeprefix("change-")) for name in self.changes_asked()]
        number = max([time.time_ns(), *(other + 1 for other in waiting)])
        self._leave(f"change-{number:020d}", to_json([learning_rate, momentum]))

    def _leave(self, name: str, content: str) -> None:
        make_folder(self.path / "requests")  # a copy may have come without its empty folders
        write_whole(self.path / "requests" / name, content.encode(), durable=False, by_several=True)

    def changes_asked(self) -> dict[str, tuple[float | None, float | None]]:
        """The changes that wait, in the order in which they came: name of the request, learning rate, momentum."""
        found: dict[str, tuple[float | None, float | None]] = {}
        try:
            names = sorted(filter(_CHANGE.fullmatch, os.listdir(self.path / "requests")))
        except OSError:
            return {}
        for name in names:
            with contextlib.suppress(OSError, ValueError):  # fulfilled in the meantime, or void
                found[name] = _rates(parse(read(self.path / "requests" / name, MOST_BYTES)))
        return found

    def asked(self, request: Request) -> str | None:
        """What a request says; None where there is none."""
        try:
            return read(self.path / "requests" / request, MOST_BYTES).decode()
        except (OSError, ValueError):
            return None

    def is_asked(self, request: Request) -> bool:
        """Whether a request waits."""
        path = self.path / "requests" / request
        return path.exists() and wrong_kind(path) is None

    def when_asked(self, request: Request) -> float:
        """When a request was left last, in seconds since 1970; 0 where there is none."""
        try:
            return (self.path / "requests" / request).lstat().st_mtime
        except OSError:
            return 0.0

    def settle(self, *requests: str) -> None:
        """Remove requests that are fulfilled or void."""
        for request in requests:
            remove(self.path / "requests" / request)


def _rates(value: object) -> tuple[float | None, float | None]:
    if isinstance(value, list) and len(value) == 2:
        ranges = SETTINGS["learning_rate"].range, SETTINGS["momentum"].range
        if all(number is None or range.holds(number) for number, range in zip(value, ranges, strict=True)):
            return value[0], value[1]
    raise ValueError(f"not rates: {value!r:.80}")

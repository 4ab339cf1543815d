"""On this machine: the run's own folder, and the following of a worker that has a copy of it on another one.

Whoever runs `follow` holds the run's lock, and is the only one who writes its events: as a worker here would.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

from fmnist_core.files import make_folder, open_log, write_whole
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.format import from_json
from fmnist_core.runs.files.record import Interrupted, Paused, Run, RunEvent, State, Stopped
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.cluster.mirror import Asked, News, There, is_mirrored, is_request, stamp_of
from fmnist_core.training.events import CopyLosses, Losses, Slowed, Started

NOT_DURABLE = (Losses, CopyLosses, Slowed, Started)
"""Events that a power cut may take: those that the recorder does not sync either."""
DISK_FULL = "The disk is full: make room, then resume. Training goes on from the last checkpoint."

log = logging.getLogger("mirror")


class Here:
    """For the process that holds the run's lock."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.writer = EventWriter(folder.path)  # cuts off a line that was torn by a crash
        self.writer.reserve()
        self.recorded: Run = folder.run().apply_all(folder.events())

    # --- What goes there -------------------------------------------------------------------------------------------

    def packed(self) -> dict[str, bytes]:
        """All that a worker needs to go on with the run: settings, what happened, checkpoints."""
        path = self.folder.path
        checkpoints = (f"checkpoints/{step:08d}.safetensors" for step in self.folder.branch_steps())
        names = ["config.json", "events.jsonl", *checkpoints]
        return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}

    def asked(self) -> Asked:
        """The requests that wait."""
        found: Asked = {}
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self.folder.path / "requests")):
                request = self.folder.path / "requests" / name
                with contextlib.suppress(OSError):  # withdrawn
                    if is_request(name) and request.is_file():
                        found[name] = stamp_of(request), request.read_bytes()
        return found

    # --- What comes back -------------------------------------------------------------------------------------------

    def apply(self, news: News) -> None:
        """Files first, checkpoints after what belongs to them; then the lines that speak of them; then what was removed.

        A crash in between leaves a folder as a worker that was killed would. Raises OSError.
        """
        path = self.folder.path
        for name in sorted(filter(is_mirrored, news.files), key=lambda name: name.startswith("checkpoints")):
            for parent in reversed(Path(name).parents[:-1]):  # never the run's own: it may have been deleted
                make_folder(path / parent)
            write_whole(path / name, news.files[name])
        self._record(news.appended.get("events.jsonl", b""))
        if printed := news.appended.get("worker.log"):
            handle = open_log(path / "worker.log")
            os.write(handle, printed)
            os.close(handle)
        for name in filter(is_mirrored, news.gone):
            (path / name).unlink(missing_ok=True)
        for name, stamp in news.settled.items():
            request = path / "requests" / name
            with contextlib.suppress(OSError):
                if is_request(name) and stamp_of(request) == stamp:  # else somebody has asked again
                    request.unlink()

    def _record(self, lines: bytes) -> None:
        for line in lines.splitlines():
            try:
                event = from_json(line)
            except ValueError:
                log.exception("a line from there is left out")
                continue
            self.write(event)

    def write(self, event: RunEvent) -> None:
        """Record what happened. Raises OSError."""
        self.writer.write(event, durable=not isinstance(event, NOT_DURABLE))
        self.recorded = self.recorded.apply(event)

    # --- Without a worker there ------------------------------------------------------------------------------------

    def end_if_asked(self) -> bool:
        """While no worker has it yet: stop or pause the run at once, as the dispatcher does with one that waits.

        True where no worker is wanted any more.
        """
        if self.recorded.state is not State.QUEUED:
            return self.folder.is_asked("resume") or self.folder.is_asked("stop") or self.folder.is_asked("delete")
        if self.folder.is_asked("stop"):
            self.write(Stopped(self.recorded.step))
        elif self.folder.is_asked("pause"):
            self.write(Paused(self.recorded.step, ""))
            self.folder.settle("pause")
        return self.recorded.state is not State.QUEUED

    def give_back(self) -> None:
        """The run waits again: what ended its worker was not the run's fault. A paused one stays paused."""
        if self.recorded.is_active:
            self.write(Interrupted(self.recorded.step))


def follow(
    here: Here,
    there: There,
    is_to_end: Callable[[], bool] = lambda: False,
    is_in_the_way: Callable[[], bool] = lambda: False,
) -> int:
    """Mirror until the worker there has let go of the run; its exit status.

    `is_to_end`: the worker ends with a checkpoint, and the run waits again. `is_in_the_way`: a paused run's worker, which
    stays for single steps, makes room. Raises what `there` does, with everything applied that had come.
    """
    was_held, asked_to_end = False, False
    while True:
        lingers = here.recorded.state is State.PAUSED and was_held
        end = not asked_to_end and (is_to_end() or not here.folder.has_file() or (lingers and is_in_the_way()))
        asked_to_end |= end
        news = there.exchange(here.asked(), end=end)
        try:
            here.apply(news)
        except OSError as error:
            there.close()
            if not here.folder.has_file():  # moved: where it is now it goes on; or deleted, then nobody reads this
                here.give_back()
                return 0
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            here.writer.write_last_words(Paused(here.recorded.step, DISK_FULL))
            return 0
        was_held |= news.is_held
        if news.status is not None or (was_held and not news.is_held and not news.appended):
            there.close()  # what is left to compute is computed here: the machine is free for the next run
            return news.status or 0

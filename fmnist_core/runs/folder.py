"""The files of a run. Nobody else knows their names.

config.json     what was asked for: name, number, settings, owner, parent; name and note may be changed later
events.jsonl    what happened: append only; whoever holds worker.lock may write
checkpoints/    STEP.safetensors: weights, optimizer state, generator states; the two newest
snapshots/      logits on the test images and weights at about a hundred steps: see snapshots.py
requests/       stop, pause, resume: small files that the worker or the dispatcher reads and removes
worker.lock     held by the worker from birth to death, SIGKILL included
worker.log      what the worker printed
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fmnist_core import jobs
from fmnist_core.events import Losses
from fmnist_core.jobs import Job
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs.record import Moment, Run, RunEvent, from_json, to_json
from fmnist_core.runs.snapshots import Predictions, Snapshots, Split, Weights

if TYPE_CHECKING:
    import torch

Request = Literal["stop", "pause", "resume"]

CHECKPOINTS_KEPT = 2
RESERVED = 64 * 1024
"""Bytes set aside when a run starts, so that its last words fit on a full disk."""

_ID = re.compile(r"[0-9a-f]{12}")


def is_run_id(text: str) -> bool:
    """Whether `text` can be a run's id; anything else never becomes part of a path.

    >>> is_run_id("0123456789ab"), is_run_id("../../etc")
    (True, False)
    """
    return isinstance(text, str) and _ID.fullmatch(text) is not None


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id is the folder's name."""
        return self.path.name

    # --- What was asked for ----------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        runs: Path,
        run_id: str,
        sequence: int,
        name: str,
        config: TrainingConfig,
        *,
        owner: str = "",
        parent: Moment | None = None,
        group: str = "",
        job: Job | None = None,
    ) -> RunFolder:
        """Appears complete or not at all. Raises FileExistsError where the id is taken, OSError where it cannot be."""
        wanted = {
            "name": name,
            "note": "",
            "sequence": sequence,
            "order": sequence,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "owner": owner,
            "parent": parent,
            "group": group,
            "config": config.to_dict(),
            **({"job": jobs.to_dict(job)} if job else {}),
        }
        temporary = runs / f".new-{run_id}"
        temporary.mkdir(parents=True)
        try:
            for folder in ("checkpoints", "snapshots", "requests"):
                (temporary / folder).mkdir()
            _write(temporary / "config.json", json.dumps(wanted, indent=2).encode())
            if (runs / run_id).exists():
                raise FileExistsError(f"run {run_id} exists already")
            temporary.rename(runs / run_id)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(runs / run_id)

    def run(self) -> Run:
        """The run before its first event. Raises ValueError or OSError where this is not a run's folder."""
        try:
            asked_at = self.asked_at()
            wanted = json.loads((self.path / "config.json").read_bytes())
            sequence, parent = int(wanted["sequence"]), wanted.get("parent")
            return Run(
                self.id,
                sequence,
                str(wanted["name"]),
                str(wanted["created_at"]),
                TrainingConfig.from_dict(wanted["config"]),
                note=str(wanted.get("note", "")),
                order=float(wanted.get("order", sequence)),
                owner=str(wanted.get("owner", "")),
                parent=(str(parent[0]), int(parent[1])) if parent else None,
                group=str(wanted.get("group", "")),
                job=jobs.from_dict(wanted.get("job")),
                asked_at=asked_at or 0,
                step=int(parent[1]) if parent else 0,
            )
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{self.path / 'config.json'} is not a run's: {error!r}") from error

    def asked_at(self) -> int | None:
        """When `config.json` was written, in nanoseconds: tells only whether it is another one. None without one."""
        try:
            return (self.path / "config.json").stat().st_mtime_ns
        except OSError:
            return None

    def relabelled(self, run: Run) -> Run:
        """`run` with the name, note and order that it has now."""
        if run.asked_at == self.asked_at():
            return run
        now = self.run()
        return replace(run, name=now.name, note=now.note, order=now.order, asked_at=now.asked_at)

    def relabel(self, **changed: str | float) -> None:
        """Change name, note or order. Two at once: one after the other. Raises OSError where it cannot be written."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            wanted = json.loads((self.path / "config.json").read_bytes())
            _write(self.path / "config.json", json.dumps(wanted | changed, indent=2).encode())
        finally:
            os.close(handle)

    # --- What happened ---------------------------------------------------------------------------------------------

    def read_events(self, offset: int = 0, limit: int = 1 << 20) -> tuple[list[bytes], int]:
        """The complete lines from byte `offset` on, about `limit` bytes at most, and the offset after them.

        A line that is still being written, or was torn by a crash, is not among them.
        """
        try:
            with open(self.path / "events.jsonl", "rb") as file:
                size = file.seek(0, os.SEEK_END)
                if not 0 <= offset <= size:
                    return [], size
                file.seek(offset)
                block = file.read(limit)
                if len(block) == limit and b"\n" not in block:
                    block += file.readline()  # one line longer than the limit
        except FileNotFoundError:
            return [], 0
        complete = block[: block.rfind(b"\n") + 1]
        return complete.splitlines(), offset + len(complete)

    def events(self, offset: int = 0) -> Iterator[RunEvent]:
        """Everything that happened, from byte `offset` on; a damaged line is left out."""
        while True:
            lines, after = self.read_events(offset)
            for line in lines:
                try:
                    yield from_json(line)
                except ValueError:
                    continue
            if not lines:
                return
            offset = after

    def losses(self) -> npt.NDArray[np.float32]:
        """The loss of every step so far, (steps,) float32."""
        parts = [event.losses for event in self.events() if isinstance(event, Losses)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts]) if parts else np.empty(0, np.float32)

    def has_file(self) -> bool:
        """Whether this is the folder of a run."""
        return (self.path / "config.json").is_file()

    # --- Alive is a kernel lock ------------------------------------------------------------------------------------

    def lock(self) -> IO[bytes] | None:
        """Take `worker.lock`: the open file that holds it until it is closed or the process ends; None if taken."""
        file = open(self.path / "worker.lock", "ab")  # noqa: SIM115 - it stays open: closing it gives the lock back
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    # --- Requests --------------------------------------------------------------------------------------------------

    def ask(self, request: Request) -> None:
        """Leave a request for the worker or the dispatcher."""
        (self.path / "requests" / request).touch()

    def is_asked(self, request: Request) -> bool:
        """Whether a request waits."""
        return (self.path / "requests" / request).exists()

    def settle(self, *requests: Request) -> None:
        """Remove requests that are fulfilled or void."""
        for request in requests:
            (self.path / "requests" / request).unlink(missing_ok=True)

    # --- Checkpoints and snapshots ---------------------------------------------------------------------------------

    def write_checkpoint(self, tensors: dict[str, torch.Tensor], step: int, seconds: float) -> None:
        """Appears complete or not at all; the two newest are kept."""
        from safetensors.torch import save

        content = save(tensors, metadata={"step": str(step), "seconds": repr(seconds)})
        _write(self.path / "checkpoints" / f"{step:08d}.safetensors", content)
        for old in self._checkpoints()[:-CHECKPOINTS_KEPT]:
            old.unlink(missing_ok=True)

    def read_checkpoint(self, at_most: int | None = None) -> tuple[dict[str, torch.Tensor], int, float] | None:
        """Tensors, step and seconds of the newest checkpoint that can be read; None when there is none.

        `at_most`: no step after this one, because a power cut can take events that a checkpoint is ahead of.
        """
        from safetensors import SafetensorError, safe_open

        for path in reversed(self._checkpoints()):
            try:
                with safe_open(path, "pt") as file:
                    facts = file.metadata()
                    if at_most is not None and int(facts["step"]) > at_most:
                        continue
                    tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
                    return tensors, int(facts["step"]), float(facts["seconds"])
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                continue  # damaged: the one before it is as good, only older
        return None

    def _checkpoints(self) -> list[Path]:
        return sorted((self.path / "checkpoints").glob("*.safetensors"))

    @property
    def snapshots(self) -> Snapshots:
        """The files of the time slider."""
        return Snapshots(self.path / "snapshots")

    def write_logits(self, step: int, logits: npt.NDArray[np.float32], split: Split = "test") -> None:
        """Keep the logits, (N, 10), as they were after `step`."""
        self.snapshots.write_logits(step, logits, split)

    def logits(self, step: int, split: Split = "test") -> npt.NDArray[np.float32]:
        """(N, 10) float32, as they were after `step`. Raises FileNotFoundError when there is nothing for this step."""
        return self.snapshots.logits(step, split)

    def logit_steps(self, split: Split = "test") -> list[int]:
        """The steps that `logits` knows, ascending; 0 is before training."""
        return self.snapshots.logit_steps(split)

    def predictions(self) -> Predictions:
        """Class and confidence of every test image at every snapshot."""
        return self.snapshots.predictions()

    def write_weights(self, weights: Mapping[int, Weights]) -> None:
        """Keep the weights as they were after several steps."""
        self.snapshots.write_weights(weights)

    def weights(self, step: int) -> dict[str, npt.NDArray[np.float32]]:
        """The network's tensors by name, as they were after `step`. Raises FileNotFoundError when they were not kept."""
        return self.snapshots.weights(step)

    def weight_steps(self) -> list[int]:
        """The steps that `weights` knows, ascending."""
        return self.snapshots.weight_steps()

    def redirect_output(self) -> None:
        """From now on this process prints into `worker.log`."""
        log = os.open(self.path / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)


class EventWriter:
    """Appends to `events.jsonl`. Only for the process that holds the run's lock."""

    def __init__(self, folder: RunFolder) -> None:
        self._reserve = folder.path / ".reserve"
        self._file = open(folder.path / "events.jsonl", "ab", buffering=0)  # noqa: SIM115 - closed by close()
        self._size = (folder.path / "events.jsonl").read_bytes().rfind(b"\n") + 1
        if self._file.tell() != self._size:
            self._file.truncate(self._size)  # a line torn by a crash

    def reserve(self) -> None:
        """Set space aside for the last words. Raises OSError when there is none."""
        if not self._reserve.exists():
            _write(self._reserve, bytes(RESERVED))

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
        self._reserve.unlink(missing_ok=True)
        self.write(event, durable=True)

    def close(self) -> None:
        """The file is complete."""
        self._file.close()


def _write(path: Path, content: bytes) -> None:
    """Atomic and durable: under a temporary name, synced, then renamed."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

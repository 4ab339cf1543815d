"""The files of a run. Nobody else knows their names.

config.json     what was asked for: name, number, settings, owner, parent; name and note may be changed later
events.jsonl    what happened: append only; whoever holds worker.lock may write
checkpoints/    STEP.safetensors: weights, optimizer state, generator states; the two newest, and those to branch from
snapshots/      logits on the test images and weights at about a hundred steps: see snapshots.py
steps/          STEP.npz: a single step with all its numbers: see single_step.py
requests/       stop, pause, resume, step, delete, change-NUMBER: small files that the worker or the dispatcher reads and removes
node.json       where it trains on a cluster, if it does: see cluster.py
worker.lock     held by the worker from birth to death, SIGKILL included
worker.log      what the worker printed
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fmnist_core.files import Unreadable, lock, make_folder, open_file, open_log, read, write_whole
from fmnist_core.files import to_json as strict_json
from fmnist_core.runs.files.arrays import MOST_BYTES, is_readable
from fmnist_core.runs.files.edited import with_weights
from fmnist_core.runs.files.format import (
    CONFIG,
    CONFIG_VERSION,
    MOST_SECONDS,
    Newer,
    from_json,
    is_time,
    moment,
    planned,
    read_config,
    to_json,
)
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Damaged, Moment, Run, RunEvent
from fmnist_core.runs.files.requests import Requests
from fmnist_core.runs.files.single_step import SingleStep
from fmnist_core.runs.files.snapshots import Predictions, Snapshots, Split, Weights
from fmnist_core.settings import jobs
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Job
from fmnist_core.training.events import Changed, Engine, Losses

if TYPE_CHECKING:
    import torch

CHECKPOINTS_KEPT = 2
STEPS_KEPT = 20
"""Single steps whose numbers stay: about 0.6 MB each for the tutorial's network."""

LONGEST_LINE = 8 << 20
"""Bytes of a line of events.jsonl: the longest ones, of a race, have some 200,000."""

DELETED = ".deleted-"
"""How the folder of a deleted run is called until all of it is gone."""

_ID, _STEP = re.compile(r"[0-9a-f]{12}"), re.compile(r"[0-9]{8}")


def is_run_id(text: str) -> bool:
    """Whether `text` can be a run's id; anything else never becomes part of a path.

    >>> is_run_id("0123456789ab"), is_run_id("../../etc")
    (True, False)
    """
    return isinstance(text, str) and _ID.fullmatch(text) is not None


@dataclass(frozen=True)
class RunFolder(Requests):
    """One run's folder."""

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
        owner_id: str = "",
        parent: Moment | None = None,
        group: Group | None = None,
        job: Job | None = None,
        planned: Iterable[Changed] = (),
        checkpoint: Path | None = None,
        edits: str = "",
        weights: Weights | None = None,
        engine: Engine = "torch",
    ) -> RunFolder:
        """Appears complete or not at all. Raises FileExistsError where the id is taken, OSError where it cannot be.

        `checkpoint`: the file that a branch starts from; it is copied, with `weights` in place of its own where `edits`
        say how those were changed by hand. `engine`: what its parent trained with.
        """
        wanted = {
            "version": CONFIG_VERSION,
            "name": name,
            "note": "",
            "sequence": sequence,
            "order": sequence,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "owner": owner,
            "owner_id": owner_id,
            "parent": parent,
            "group": group.to_dict() if group else None,
            "planned": [[change.step, change.learning_rate, change.momentum] for change in planned],
            **({"parent_engine": engine} if parent else {}),
            **({"edits": edits} if edits else {}),
            "config": config.to_dict(),
            **({"job": jobs.to_dict(job)} if job else {}),
        }
        temporary = runs / f".new-{run_id}"
        make_folder(temporary, parents=True)
        wanted["inode"] = temporary.stat().st_ino  # stays the same when it is renamed, and is another one in a copy
        try:
            for folder in ("checkpoints", "snapshots", "requests"):
                make_folder(temporary / folder)
            if checkpoint:
                content = read(checkpoint, MOST_BYTES)
                write_whole(
                    temporary / "checkpoints" / checkpoint.name, with_weights(content, weights) if weights else content
                )
            write_whole(temporary / "config.json", strict_json(wanted, indent=2).encode())
            if (runs / run_id).exists():
                raise FileExistsError(f"run {run_id} exists already")
            temporary.rename(runs / run_id)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(runs / run_id)

    def run(self) -> Run:
        """The run before its first event. Raises Unreadable or OSError where this is not a run's folder."""
        asked_at, path = self.asked_at(), self.path / "config.json"
        wanted = read_config(path)
        try:
            plain = {name: check(wanted[name]) for name, check in CONFIG.items() if name in wanted}
            parent = moment(wanted.get("parent"))
            return Run(
                self.id,
                plain["sequence"],
                plain["name"],
                is_time(wanted["created_at"]),
                TrainingConfig.from_dict(wanted["config"]),
                note=plain.get("note", ""),
                order=float(plain.get("order", plain["sequence"])),
                owner=plain.get("owner", ""),
                owner_id=plain.get("owner_id", ""),
                parent=parent,
                edits=plain.get("edits", ""),
                group=Group.read(wanted.get("group"), plain["name"]),
                job=jobs.from_dict(wanted.get("job")),
                planned=planned(wanted.get("planned", [])),
                engine=plain.get("parent_engine", "torch"),
                asked_at=asked_at or 0,
                step=parent[1] if parent else 0,
            )
        except (ValueError, TypeError, KeyError) as error:
            what = f"it does not say {error}" if isinstance(error, KeyError) else str(error)
            raise Unreadable(f"{path} cannot be read: {what}.") from error

    def asked_at(self) -> int | None:
        """When `config.json` was written, in nanoseconds: tells only whether it is another one. None without one."""
        try:
            return os.stat(f"{self.path}/config.json").st_mtime_ns  # asked of a thousand runs at a time
        except OSError:
            return None

    def relabelled(self, run: Run) -> Run:
        """`run` with the name, note and order that it has now."""
        if run.asked_at == self.asked_at():
            return run
        now = self.run()
        return replace(run, name=now.name, note=now.note, order=now.order, asked_at=now.asked_at)

    def relabel(self, **changed: str | float) -> None:
        """Change name, note or order. Two at once: one after the other. Raises OSError where it cannot be written, Unreadable."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            wanted = read_config(self.path / "config.json") | {"version": CONFIG_VERSION}
            write_whole(self.path / "config.json", strict_json(wanted | changed, indent=2).encode())
        finally:
            os.close(handle)

    # --- What happened ---------------------------------------------------------------------------------------------

    def read_events(self, offset: int = 0, limit: int = 1 << 20) -> tuple[list[bytes], int]:
        """What `news` tells as lines of strict JSON, those that cannot be read left out, and the offset after them."""
        told, after = self.news(offset, limit)
        return [to_json(event).encode() for event in told if not isinstance(event, Damaged)], after

    def _lines(self, offset: int, limit: int) -> tuple[list[bytes], int]:
        path = self.path / "events.jsonl"
        try:
            handle = open_file(path)
        except FileNotFoundError:
            return [], 0
        with os.fdopen(handle, "rb") as file:
            size = os.fstat(handle).st_size
            if not 0 <= offset <= size:
                return [], size
            file.seek(offset)
            block = file.read(limit)
            if len(block) == limit and b"\n" not in block:
                block += file.readline(LONGEST_LINE)  # one line longer than the limit
                if len(block) >= LONGEST_LINE and not block.endswith(b"\n"):
                    raise Unreadable(f"{path} has a line of more than {LONGEST_LINE:,} bytes at byte {offset:,}.")
        complete = block[: block.rfind(b"\n") + 1]
        return complete.split(b"\n")[:-1], offset + len(complete)

    def news(self, offset: int = 0, limit: int = 1 << 20) -> tuple[list[RunEvent | Damaged], int]:
        """What happened from byte `offset` on, from about `limit` bytes at most, and the offset after it.

        A line that is still being written, or was torn by a crash, does not count yet. Raises Unreadable and OSError where
        nothing at all can be read.
        """
        lines, after = self._lines(offset, limit)
        told: list[RunEvent | Damaged] = []
        for line in lines:
            try:
                told.append(from_json(line))
            except Newer:
                raise
            except ValueError as error:
                told.append(Damaged(f"The line at byte {offset:,} of its events.jsonl is left out: {error}."))
            offset += len(line) + 1
        return told, after

    def events(self, offset: int = 0) -> Iterator[RunEvent | Damaged]:
        """Everything that happened, from byte `offset` on. Raises Unreadable, OSError."""
        while True:
            told, offset = self.news(offset)
            if not told:
                return
            yield from told

    def losses(self) -> npt.NDArray[np.float32]:
        """The loss of every step so far, (steps,) float32."""
        parts = [event.losses for event in self.events() if isinstance(event, Losses)]
        return np.concatenate([np.asarray(part, np.float32) for part in parts]) if parts else np.empty(0, np.float32)

    def is_original(self) -> bool:
        """Whether this folder was made by this program, and is no copy. Raises Unreadable, OSError."""
        made: object = read_config(self.path / "config.json").get("inode")
        return made == self.path.stat().st_ino

    def latest_kept(self) -> int:
        """The latest step of which there is a checkpoint or a prediction; 0 where there is none."""
        return max([*self.branch_steps(), *Snapshots(self.path / "snapshots").logit_steps()], default=0)

    def has_file(self) -> bool:
        """Whether this is the folder of a run."""
        return not self.path.is_symlink() and (self.path / "config.json").is_file()

    # --- Alive is a kernel lock ------------------------------------------------------------------------------------

    def lock(self) -> IO[bytes] | None:
        """Take `worker.lock`: the open file that holds it until it is closed or the process ends; None if taken.

        Raises Unreadable, OSError.
        """
        return lock(self.path / "worker.lock")

    def delete(self) -> bool:
        """Remove the run, in one step for everybody who looks; False while a worker has it. Raises OSError."""
        if not (lock := self.lock()):
            return False
        with lock:
            gone = self.path.with_name(f"{DELETED}{self.id}")
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        return True

    # --- Checkpoints and snapshots ---------------------------------------------------------------------------------

    def write_checkpoint(
        self, tensors: dict[str, torch.Tensor], step: int, seconds: float, keep: Container[int] = ()
    ) -> None:
        """Appears complete or not at all; the two newest are kept, and those of the steps to `keep`."""
        from safetensors.torch import save

        content = save(tensors, metadata={"step": str(step), "seconds": repr(seconds)})
        write_whole(self.path / "checkpoints" / f"{step:08d}.safetensors", content)
        for old in self._checkpoints()[:-CHECKPOINTS_KEPT]:
            if int(old.stem) not in keep:
                old.unlink(missing_ok=True)

    def branch_steps(self) -> list[int]:
        """The steps that another run can branch off at, ascending."""
        return [int(path.stem) for path in self._checkpoints()]

    def checkpoint(self, step: int) -> Path:
        """The file that a branch at `step` starts from; it may not be there."""
        return self.path / "checkpoints" / f"{step:08d}.safetensors"

    def read_checkpoint(self, at_most: int | None = None) -> tuple[dict[str, torch.Tensor], int, float] | None:
        """Tensors, step and seconds of the newest checkpoint that can be read; None when there is none.

        `at_most`: no step after this one, because a power cut can take events that a checkpoint is ahead of.
        """
        from safetensors import SafetensorError, safe_open

        for path in reversed(self._checkpoints()):
            try:
                step = int(path.stem)
                if at_most is not None and step > at_most:
                    continue
                with safe_open(path, "pt") as file:
                    facts = file.metadata()
                    seconds = float(facts["seconds"])
                    if facts["step"] != str(step) or not 0 <= seconds <= MOST_SECONDS:
                        continue
                    return {name: file.get_tensor(name) for name in file.keys()}, step, seconds  # noqa: SIM118 - not a dict
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                continue  # damaged: the one before it is as good, only older
        return None

    def _checkpoints(self) -> list[Path]:
        found = (self.path / "checkpoints").glob("[0-9]*.safetensors")
        return sorted(path for path in found if _STEP.fullmatch(path.stem) and is_readable(path))

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

    # --- Single steps ----------------------------------------------------------------------------------------------

    def write_single_step(self, step: int, content: bytes) -> None:
        """Keep a single step with all its numbers; only the newest `STEPS_KEPT` stay."""
        make_folder(self.path / "steps")
        write_whole(self.path / "steps" / f"{step:08d}.npz", content)
        for old in self.single_steps()[:-STEPS_KEPT]:
            (self.path / "steps" / f"{old:08d}.npz").unlink(missing_ok=True)

    def single_steps(self) -> list[int]:
        """The steps that were taken one at a time, ascending."""
        found = (self.path / "steps").glob("[0-9]*.npz")
        return sorted(int(path.stem) for path in found if _STEP.fullmatch(path.stem))

    def single_step(self, step: int) -> SingleStep:
        """A step that was taken alone. Raises FileNotFoundError when this one was not, Unreadable."""
        return SingleStep.read(self.path / "steps" / f"{step:08d}.npz")

    def redirect_output(self) -> None:
        """From now on this process prints into `worker.log`."""
        log = open_log(self.path / "worker.log")
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)

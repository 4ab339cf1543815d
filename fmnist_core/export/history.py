"""How a run came to its weights, back to the first step: also through the runs that it branched off from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Engine, Losses, Slowed, Started


class ExportRefused(Exception):
    """It cannot be taken away. The message says why, and is meant for the page."""


@dataclass(frozen=True)
class Stretch:
    """Steps in a row that were taken in the same way."""

    run: Run
    """Whose steps they are: the run itself, or one that it branched off from."""
    first: int
    """Steps that were done before."""
    last: int
    """Steps that are done after it."""
    config: TrainingConfig
    """With the learning rate and the momentum of these steps."""
    engine: Engine
    device: str
    threads: int
    library: str
    """Which compiled C; empty with PyTorch, and where it was not recorded yet."""


@dataclass(frozen=True)
class History:
    """All that was done, in order."""

    run: Run
    origin: TrainingConfig
    """What the network was built with, before the first step."""
    stretches: tuple[Stretch, ...]
    """Without a gap; the first begins at step 0, or where `checkpoint` stands."""
    checkpoint: Path | None
    """Where a run before it has been deleted: the state that the stretches begin with."""

    @property
    def first(self) -> int:
        """Steps that are not in it, because the run that took them has been deleted."""
        return self.stretches[0].first

    @property
    def last(self) -> int:
        """Steps after which it ends."""
        return self.stretches[-1].last

    @property
    def lineage(self) -> list[Run]:
        """The runs that took the steps, each once, the oldest first."""
        return list({stretch.run.id: stretch.run for stretch in self.stretches}.values())

    def losses(self) -> npt.NDArray[np.float32]:
        """The loss of every step in it, (last - first,) float32. Raises ExportRefused where one cannot be read."""
        parts = []
        for run in self.lineage:
            own = [stretch for stretch in self.stretches if stretch.run.id == run.id]
            steps, losses = recorded_losses(run)
            found = losses[(steps > own[0].first) & (steps <= own[-1].last)]
            if len(found) != own[-1].last - own[0].first:
                raise ExportRefused(f"Some losses of {run.title} cannot be read: its events.jsonl is damaged.")
            parts.append(found)
        return np.concatenate(parts)


def history_of(run: Run, until: int | None = None) -> History:
    """All that led to the weights after `until` steps, by default after as many as the newest checkpoint holds.

    Raises ExportRefused where no step was taken, and where what came before is gone.
    """
    last = last_step(run) if until is None else until
    if run.job or last is None or last == 0:
        raise ExportRefused("There is no trained network yet: wait for the first checkpoint.")
    stretches: list[Stretch] = []
    current, end, checkpoint = run, last, None
    while True:
        stretches = [*_own(current, end), *stretches]
        if (branched := current.parent) is None:
            break
        try:
            parent = client.get(branched.run_id)
        except client.RunNotFound:
            checkpoint = client.folder(current.id).checkpoint(branched.step)
            break
        current, end = parent, branched.step
    if checkpoint and not (checkpoint.is_file() and stretches):
        raise ExportRefused(
            "The run that this one branched off from is not here, and the state that it began with was not kept."
        )
    if not stretches:
        raise ExportRefused("There is no trained network yet: wait for the first checkpoint.")
    origin = current.config_at(current.first_step)
    return History(run, origin, tuple(stretches), checkpoint)


def _own(run: Run, until: int) -> list[Stretch]:
    """The steps that `run` took itself, up to `until`."""
    ways: dict[int, tuple[Engine, str, int, str]] = {}  # from which step on: engine, device, threads, library
    for event in client.folder(run.id).events():
        match event:
            case Started(step=step):  # for the first time, or again from a checkpoint: what came after it is void
                ways = {at: way for at, way in ways.items() if at < step}
                ways[step] = event.engine, event.device, event.threads, event.library
            case Slowed(step=step) if ways:
                engine, device, _threads, library = ways[max(ways)]
                ways[step] = engine, device, event.threads, library
    changes = [change.step for change in run.changes]
    marks = sorted({run.first_step, *(at for at in (*ways, *changes) if run.first_step < at < until), until})
    found: list[Stretch] = []
    starts = sorted(ways)
    for first, last in pairwise(marks):
        place = bisect_right(starts, first) - 1
        way = ways[starts[max(0, place)]] if ways else (run.engine, run.device, run.threads, run.library)
        found.append(Stretch(run, first, last, run.config_at(first), *way))
    return _joined(found)


def _joined(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Neighbours that differ in nothing become one: a run that was paused went on as before."""
    found: list[Stretch] = []
    for stretch in stretches:
        if found and replace(found[-1], first=0, last=0) == replace(stretch, first=0, last=0):
            found[-1] = replace(found[-1], last=stretch.last)
        else:
            found.append(stretch)
    return found


def recorded_losses(run: Run) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The steps that the run took itself, counted from 1 over all that led to it, and their losses, (N,) each."""
    told = [event for event in client.folder(run.id).events() if isinstance(event, Losses)]
    steps = [np.arange(event.step + 1, event.step + len(event.losses) + 1) for event in told]
    losses = [np.asarray(event.losses, np.float32) for event in told]
    if not told:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    return np.concatenate(steps), np.concatenate(losses)


def last_step(run: Run) -> int | None:
    """Steps that the newest weights have seen; None where there are no weights."""
    steps = [step for step in client.folder(run.id).branch_steps() if step <= run.step]
    return steps[-1] if steps else None


def weights_of(run: Run, step: int) -> dict[str, npt.NDArray[np.generic]]:
    """The network's tensors by name after `step` steps. Raises ExportRefused where they were not kept."""
    tensors = _tensors(client.folder(run.id).checkpoint(step))
    return {name.removeprefix("net."): array for name, array in tensors.items() if name.startswith("net.")}


def _tensors(checkpoint: Path) -> dict[str, npt.NDArray[np.generic]]:
    """All that a checkpoint holds. Raises ExportRefused where it cannot be read."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found: dict[str, npt.NDArray[np.generic]] = load_file(checkpoint)
    except (OSError, SafetensorError) as error:
        raise ExportRefused(f"The weights after step {int(checkpoint.stem):,} cannot be read ({error}).") from error
    return found


def state_of(checkpoint: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Weights, optimizer state and generator state that a branch began with. Raises ExportRefused."""
    return _tensors(checkpoint)

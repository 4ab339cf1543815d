"""What a run is, as its events tell it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from fmnist_core.runs.files.group import Group
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Job, Race, RateTest
from fmnist_core.training import events as training
from fmnist_core.training.events import Changed, CopiesMeasured, CopyLosses, Diverged, Losses, Measured, Slowed, Started

MOST_MEASURED = 1_000
"""Measurements that are remembered of a run: it has 201 epochs at most, and ends of its own."""
HIGHEST_SPEED = 1e12
"""Images per second that are believed."""
ATTEMPTS = 3
"""Workers that may die over one run before it counts as failed."""


class Moment(NamedTuple):
    """A run after some of its steps."""

    run_id: str
    step: int


class State(StrEnum):
    """Where a run is on its way."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"

    @property
    def is_active(self) -> bool:
        """Something will still happen without anybody's doing."""
        return self in (State.QUEUED, State.STARTING, State.RUNNING)

    @property
    def is_final(self) -> bool:
        """Nothing will ever happen again."""
        return not self.is_active and self is not State.PAUSED


# --- What a run tells beside its training --------------------------------------------------------------------------


@dataclass(frozen=True)
class Claimed:
    """A worker has taken the run and builds the network."""

    pid: int


@dataclass(frozen=True)
class Died:
    """The worker is gone without a word; the run waits for another one."""

    reason: str


@dataclass(frozen=True)
class Interrupted:
    """The worker was told to end (SIGTERM), wrote a checkpoint and gave the run back to the queue."""

    step: int


@dataclass(frozen=True)
class Paused:
    """A checkpoint is written and the slot given back."""

    step: int
    reason: str


@dataclass(frozen=True)
class Resumed:
    """Back in the queue."""


@dataclass(frozen=True)
class Stopped:
    """Ended because somebody asked for it."""

    step: int


@dataclass(frozen=True)
class Finished:
    """All epochs are done."""

    step: int


@dataclass(frozen=True)
class Failed:
    """Ended by an error that another attempt would not mend."""

    reason: str


RunEvent = training.Event | Changed | Claimed | Died | Interrupted | Paused | Resumed | Stopped | Finished | Failed


@dataclass(frozen=True)
class Damaged:
    """A line of the record that cannot be read, and why. It is never recorded: reading gives it in the line's place."""

    reason: str


# --- The run -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A run as its events leave it."""

    id: str
    """12 hexadecimal characters."""
    sequence: int
    """Runs are numbered in the order of their start, from 1."""
    name: str
    """As a person typed it: show it as text."""
    created_at: str
    """Wall clock, UTC, ISO 8601; for people, not for ordering."""
    config: TrainingConfig
    """As it was started;"""
    note: str = ""
    """What a person wrote about it: show it as text."""
    order: float = 0.0
    """Place among the waiting runs of its owner: the lowest goes first."""
    owner: str = ""
    """Who started it: what they call themselves, or empty. Show it as text."""
    owner_id: str = ""
    """Tells two people of one name apart; empty in a run from a terminal, or from before people had an id."""
    parent: Moment | None = None
    """The run and the step that it branched off from; the parent may have been deleted since."""
    edits: str = ""
    """What was changed by hand in the weights before it went on from its parent's (`inside/edits.py`); usually nothing."""
    planned: tuple[Changed, ...] = ()
    """What a branch repeats of what was changed in its parent after the step at which it branched off."""
    group: Group | None = None
    """The runs that it belongs to, such as those of a sweep."""
    is_sealed: bool = False
    """Its measurements have no test score, because its sweep is still open (`sealed.py`)."""
    asked_at: int = 0
    """When name, note and order were written, in nanoseconds: tells whether they are the newest."""
    job: Job | None = None
    """What it does instead of an ordinary training: it is then in no list of runs."""
    state: State = State.QUEUED
    reason: str = ""
    """Why it is paused, failed or waiting for another attempt: a sentence for the page."""
    fault: str = ""
    """What of its record cannot be read and is left out: a sentence for the page."""
    deaths: int = 0
    """Workers that died over it."""
    device: str = ""
    card: str = ""
    """The GPU's name and memory; empty on a CPU."""
    threads: int = 0
    engine: training.Engine = "torch"
    """What takes the steps, once training has started."""
    library: str = ""
    """Which compiled C; empty with PyTorch, and where it was not recorded yet."""
    step: int = 0
    """Weight updates so far."""
    steps: int = 0
    """Weight updates when it is finished; 0 until training has started."""
    steps_per_epoch: int = 0
    seconds: float = 0.0
    """Training time, without pauses and measurements; of a branch, with its parent's up to there."""
    images_per_second: float = 0.0
    """Of late (moving average)."""
    changes: tuple[Changed, ...] = ()
    """Learning rate and momentum as they were changed while it trained, in order."""
    pauses: tuple[int, ...] = ()
    """Steps at which it was paused."""
    measured: Sequence[Measured] = ()
    """Before training, then after each epoch."""
    stalled: bool = False
    """Its worker is alive and has said nothing for 30 s."""
    stopping: bool = False
    """A stop has been asked for."""
    pausing: bool = False
    changing: bool = False
    """A change of its rates has been asked for and waits."""

    @property
    def whose(self) -> str:
        """For telling people apart: the owner's id, or the name where there is none."""
        return self.owner_id or self.owner

    @property
    def title(self) -> str:
        """The name, or the number of a run without one."""
        return self.name or f"Run {self.sequence}"

    def config_at(self, step: int) -> TrainingConfig:
        """The settings that the step after `step` uses: those of the start, with what was changed by then."""
        so_far = [change for change in self.changes if change.step <= step]
        if not so_far:
            return self.config
        return replace(self.config, learning_rate=so_far[-1].learning_rate, momentum=so_far[-1].momentum)

    def course(self, name: str, step: int) -> list[tuple[int, float]]:
        """What learning rate or momentum was up to `step`: from which step on, and the value; unchanged ones once."""
        found = [(self.first_step, float(getattr(self.config, name)))]
        for change in self.changes:
            if change.step < step:
                found = [known for known in found if known[0] < change.step]  # two at once: the later one holds
                value = float(getattr(change, name))
                if not found or found[-1][1] != value:
                    found.append((change.step, value))
        return found

    @property
    def config_now(self) -> TrainingConfig:
        """The settings that its next step uses."""
        return self.config_at(self.step)

    @property
    def is_steered(self) -> bool:
        """Whether somebody gave it another learning rate or momentum while it trained."""
        own = self.config.learning_rate, self.config.momentum
        return any((change.learning_rate, change.momentum) != own for change in self.changes)

    @property
    def is_replicate(self) -> bool:
        """Whether its settings alone decide its result: nobody steered it, and it began with weights of its own."""
        return self.parent is None and not self.is_steered

    def to_come(self, step: int) -> list[Changed]:
        """What is changed after `step`, as far as it is known: what has happened, and what it still is to repeat of its parent."""
        told = [replace(change, request="") for change in self.changes]
        planned = [change for change in self.planned if change.step >= self.step and change not in told]
        return sorted((c for c in [*told, *planned] if c.step > step), key=lambda change: change.step)

    @property
    def first_step(self) -> int:
        """Steps that were done before its own record begins: 0, or the step at which it branched off."""
        return self.parent.step if self.parent else 0

    @property
    def is_active(self) -> bool:
        """Queued, starting or running."""
        return self.state.is_active

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch if self.steps_per_epoch else 0

    @property
    def before(self) -> Measured | None:
        """The measurement before training."""
        return self.measured[0] if self.measured else None

    @property
    def latest(self) -> Measured | None:
        """The newest measurement."""
        return self.measured[-1] if self.measured else None

    @property
    def is_measuring(self) -> bool:
        """Whether its next word is a measurement: before the first step, after an epoch, at the end."""
        if self.state is not State.RUNNING or not self.steps_per_epoch:
            return False
        if not self.latest or self.step <= self.latest.step:
            return not self.latest
        return self.step == self.steps or self.step % self.steps_per_epoch == 0

    @property
    def progress(self) -> float:
        """Share of the steps done, 0 to 1."""
        return self.step / self.steps if self.steps else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Training time to go at the present speed; None until there is one."""
        if self.state is not State.RUNNING or not self.images_per_second:
            return None
        return (self.steps - self.step) * self.images_per_step / self.images_per_second

    @property
    def images_per_step(self) -> int:
        """Images that a step computes, over all copies of a race."""
        return self.config.batch_size * (self.job.copies if isinstance(self.job, Race) else 1)

    @property
    def steps_in_all(self) -> int:
        """Weight updates when it is finished, also before training has started."""
        return self.steps or (self.job.steps if isinstance(self.job, RateTest) else self.config.total_steps)

    def apply(self, event: RunEvent | Damaged) -> Run:
        """The run after `event`."""
        match event:
            case Claimed():
                return replace(self, state=State.STARTING, reason="")
            case Started():
                return replace(
                    self,
                    state=State.RUNNING,
                    device=event.device,
                    card=event.card,
                    threads=event.threads,
                    engine=event.engine,
                    library=event.library,
                    steps=event.steps,
                    steps_per_epoch=event.steps_per_epoch,
                )
            case Losses() | CopyLosses():
                elapsed, images = event.seconds - self.seconds, len(event.losses) * self.images_per_step
                speed = self.images_per_second
                if elapsed > 0:
                    now = min(images / elapsed, HIGHEST_SPEED)
                    speed = 0.8 * speed + 0.2 * now if speed else now
                return replace(
                    self,
                    step=event.step + len(event.losses),
                    seconds=max(self.seconds, event.seconds),
                    images_per_second=speed,
                )
            case Measured():
                if len(self.measured) >= MOST_MEASURED:
                    return self
                before = event.seconds if self.parent and not self.measured else 0.0  # what its parent took
                return replace(self, measured=(*self.measured, event), seconds=max(self.seconds, before))
            case CopiesMeasured():
                return self
            case Changed():
                return replace(self, changes=(*self.changes, event))
            case Slowed():
                return replace(self, threads=event.threads)
            case Diverged():
                where = "as measured after" if event.measured else "in"
                became = "became infinite" if math.isinf(event.loss) else "was no longer a number"
                reason = (
                    f"The loss {became} {where} step {event.step:,} at learning rate "
                    f"{event.learning_rate:g}: try a smaller one."
                )
                return replace(self, state=State.DIVERGED, reason=reason)
            case Died():
                return replace(self, state=State.QUEUED, reason=event.reason, deaths=self.deaths + 1)
            case Interrupted() | Resumed():
                return replace(self, state=State.QUEUED, reason="")
            case Paused():
                return replace(self, state=State.PAUSED, reason=event.reason, pauses=(*self.pauses, event.step))
            case Stopped():
                return replace(self, state=State.STOPPED, reason="")
            case Finished():
                return replace(self, state=State.FINISHED, reason="")
            case Failed():
                return replace(self, state=State.FAILED, reason=event.reason)
            case Damaged():
                return replace(self, fault=self.fault or event.reason)

    def apply_all(self, happened: Iterable[RunEvent | Damaged]) -> Run:
        """The run after all of them."""
        run = self
        for event in happened:
            run = run.apply(event)
        return run

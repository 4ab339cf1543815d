"""Trains one run and records what happens, so that nothing that was told is lost or told twice."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import torch

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import (
    Failed,
    Finished,
    Interrupted,
    Paused,
    Run,
    RunEvent,
    State,
    Stopped,
)
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.keeping import Film, branch_steps, film_steps
from fmnist_core.runs.service.meanwhile import Meanwhile
from fmnist_core.runs.service.stepping import take_step
from fmnist_core.training.events import (
    Changed,
    CopyLosses,
    Diverged,
    Event,
    Logits,
    Losses,
    Measured,
    Reached,
    Slowed,
    Started,
)
from fmnist_core.training.loop import train
from fmnist_core.training.measuring import measure
from fmnist_core.training.state import TrainingData, TrainingState, extent

CHECKPOINT_EVERY = 10.0
"""Seconds of training that a crash may cost; the end of an epoch is always kept."""
LINGERS, LOOKS_EVERY = 60.0, 0.02
"""Seconds that a worker stays with a paused run after its last step, and between two looks at what is asked for."""

MEASURED_WITHIN = 20.0
"""Seconds after which a run that was stopped ends without a measurement of its last step: others wait for its slot.

A tenth of it where a measurement was cut short, which is known to be a long one.
"""

log = logging.getLogger("worker")


class _Left(Exception):
    """Leaves a measurement that takes too long."""


class Recorder:
    """For the process that holds the run's lock."""

    def __init__(self, folder: RunFolder, writer: EventWriter, recorded: Run) -> None:
        self.folder, self.writer, self.recorded = folder, writer, recorded
        self.state: TrainingState | None = None
        self.data: TrainingData | None = None
        self.film = Film(folder, frozenset())
        self.meanwhile: Meanwhile | None = None
        self.branchable: frozenset[int] = frozenset()
        self.checkpointed_at = time.monotonic()
        self.told_to_end = False
        self.left: RunEvent | None = None
        """How it ends, where it was told so while it measured."""

    def train(self, ready: TrainingData | None = None) -> None:
        """Train to the end, or until something else ends it; the last event tells which.

        `ready`: the data, where they are on the run's device already.
        """
        with self.faults_recorded():
            state, data = self.prepare(ready)
            if self.recorded.state is State.DIVERGED:
                return
            self._repeat_changes(state.step)
            self._change()
            for event in self._told(state, data):
                match event:
                    case Reached(step=step):
                        self._repeat_changes(step)
                        self.film.take(step, state.net)
                    case Logits():
                        self.keep(event)
                        continue  # the measurement itself comes next
                    case _:
                        self.record(event)
                if isinstance(event, Diverged):
                    self.film.write()
                    return
                if last := self._last_words():
                    self._end(last)
                    return
                if isinstance(event, Losses | Reached):
                    self._change()
                if isinstance(event, Losses) and self.meanwhile:
                    self.meanwhile.look(state.seconds, self.film.spent)
                is_due = time.monotonic() - self.checkpointed_at > CHECKPOINT_EVERY
                if isinstance(event, Measured) or (isinstance(event, Losses) and is_due):
                    self.checkpoint()
            if self.left:
                self._end(self.left)
            else:
                self.record(Finished(state.step))

    def _told(self, state: TrainingState, data: TrainingData) -> Iterator[Event | Logits | Reached]:
        """What training tells; nothing more once it shall end while it measures, which takes a large network minutes."""
        with suppress(_Left):
            yield from train(state, data, self._stops(), self._leave_if_told)

    def _leave_if_told(self) -> None:
        if last := self._last_words():
            self.left = last
            raise _Left

    def prepare(self, ready: TrainingData | None) -> tuple[TrainingState, TrainingData]:
        """The state to go on from, the data on its device, and what is to be kept."""
        self.writer.reserve()
        config, first = self.recorded.config, self.recorded.first_step
        if checkpoint := self.folder.read_checkpoint(at_most=self.recorded.step):
            self.state = TrainingState.restore(self.recorded.config_at(checkpoint[1]), *checkpoint)
        elif first:
            raise FileNotFoundError("The checkpoint that this run branched off from cannot be read: branch again.")
        else:
            self.state = TrainingState.new(self.recorded.config_at(0))
        if self.recorded.steps or self.recorded.parent:  # it has trained before: with the same engine, to the same bits
            began_with = self.recorded.engine
            if began_with == "torch" and self.state.engine == "compiled":
                self.state.leave_compiled()
            elif began_with == "compiled" and self.state.engine == "torch":
                log.warning("the compiled training step is no longer there: going on with PyTorch, rounded otherwise")
            elif self.recorded.steps and self.recorded.library != self.state.library:
                log.warning(
                    "the compiled training step is another one than before: going on with it, rounded otherwise"
                )
        device = self.state.device
        self.data = ready if ready and ready.images.device == device else TrainingData.load(device)
        steps_per_epoch, steps = extent(config, self.data)
        size = sum(tensor.nbytes for tensor in self.state.net.state_dict().values())
        self.film = Film(
            self.folder, frozenset(film_steps(first, steps, steps_per_epoch, size)), self.state.predicts_in_c
        )
        self.meanwhile = Meanwhile.of(self.folder, self.state, self.data)
        self.branchable = frozenset(branch_steps(first, steps, steps_per_epoch, 3 * size))
        self.state.seconds = max(
            self.state.seconds, self.recorded.seconds
        )  # what was trained and lost has taken time, too
        self.film.take(self.state.step, self.state.net)
        if first and not self.recorded.measured and first % steps_per_epoch:
            self.measure(self.state, self.data)  # training measures at the beginning of an epoch by itself
        return self.state, self.data

    def _stops(self) -> frozenset[int]:
        """Steps at which training is to be looked at or changed."""
        return self.film.steps | {change.step for change in (*self.recorded.changes, *self.recorded.planned)}

    def _repeat_changes(self, step: int) -> None:
        """What was changed at `step`: by this run before a crash, or by its parent."""
        assert self.state
        told = [change for change in self.recorded.changes if change.step == step]
        planned = [change for change in self.recorded.planned if change.step == step]
        if planned and step == self.recorded.step and planned[-1] not in told:
            self.record(planned[-1])
            told.append(planned[-1])
        if told:
            self.state.change(told[-1].learning_rate, told[-1].momentum)

    def _change(self) -> None:
        """Do what was asked for, once training has come to where the record ends."""
        assert self.state
        if self.state.step < self.recorded.step:
            return
        done = {change.request for change in self.recorded.changes}
        for request, (learning_rate, momentum) in self.folder.changes_asked().items():
            if request not in done:  # else it was recorded just before a crash
                now = self.state.config
                rate = now.learning_rate if learning_rate is None else learning_rate
                momentum = now.momentum if momentum is None else momentum
                try:
                    self.state.change(rate, momentum)
                except ValueError:  # Nesterov's momentum of 0, say: whoever asked was told
                    log.exception("the request %s is void", request)
                else:
                    self.record(Changed(self.state.step, rate, momentum, request))
            self.folder.settle(request)

    def record(self, event: RunEvent) -> None:
        """Write what is new. After a restart from a checkpoint, steps are trained again that are recorded already."""
        match event:
            case Losses() | CopyLosses():
                known = self.recorded.step - event.step
                if known >= len(event.losses):
                    return
                if known > 0:
                    event = event.without(known)
            case Measured(step=step):
                if self._is_measured(step):
                    return
        self.writer.write(event, durable=not isinstance(event, Losses | CopyLosses | Slowed | Started))
        self.recorded = self.recorded.apply(event)

    def keep(self, logits: Logits) -> None:
        """Before the measurement that they belong to is recorded."""
        if not self._is_measured(logits.step):
            self.folder.write_logits(logits.step, logits.test)
            if logits.validation is not None:
                self.folder.write_logits(logits.step, logits.validation, "validation")

    def _is_measured(self, step: int) -> bool:
        return any(measured.step == step for measured in self.recorded.measured)

    def measure(self, state: TrainingState, data: TrainingData, between: Callable[[], object] | None = None) -> None:
        """Measure now, where training does not; the run may turn out to have diverged."""
        for told in measure(state, data, between):
            if isinstance(told, Logits):
                self.keep(told)
            else:
                self.record(told)

    def checkpoint(self) -> None:
        """Keep the state to go on from; a state that is no longer finite is not worth keeping."""
        self.film.write()
        if (state := self.state) and state.is_finite:
            kept = self.branchable | set(self.recorded.pauses)
            self.folder.write_checkpoint(state.tensors(), state.step, state.seconds, kept)
            self.checkpointed_at = time.monotonic()
            if self.meanwhile:
                self.meanwhile.add(self.film.written)
        self.film.written = {}

    def _end(self, last: RunEvent) -> None:
        """End with these words, and with all that is needed to go on or to look at the network."""
        assert self.state
        assert self.data
        if self.film.steps and not isinstance(last, Interrupted):
            self.film.steps |= {self.state.step}
            self.film.take(self.state.step, self.state.net)
        self.checkpoint()
        if isinstance(last, Stopped):
            until = time.monotonic() + (MEASURED_WITHIN / 10 if self.left else MEASURED_WITHIN)

            def give_up() -> None:
                if time.monotonic() > until:
                    raise _Left

            with suppress(_Left):  # then its newest measurement is that of the epoch before
                self.measure(self.state, self.data, give_up)
            if self.recorded.state is State.DIVERGED:
                return
        self.record(last)
        if isinstance(last, Paused):
            self.folder.settle("pause")  # not before it is recorded: a crash in between must not lose it

    # --- One step at a time ----------------------------------------------------------------------------------------

    def linger(self, ready: TrainingData | None = None) -> None:
        """Stay for a while with a paused run, and take single steps when they are asked for."""
        with self.faults_recorded():
            state, data = (self.state, self.data) if self.state and self.data else self.prepare(ready)
            self._catch_up(state, data)
            until = time.monotonic() + LINGERS
            while time.monotonic() < until and self.recorded.state is State.PAUSED and self.folder.has_file():
                if self.told_to_end or self._is_wanted_elsewhere:
                    return
                if target := self.folder.asked("step"):
                    if target.isdecimal() and int(target) == self.recorded.step + 1:
                        self._change()
                        self._take_step(state, data)
                        until = time.monotonic() + LINGERS
                    elif self.folder.asked("step") == target:  # taken already
                        self.folder.settle("step")
                time.sleep(LOOKS_EVERY)

    @property
    def _is_wanted_elsewhere(self) -> bool:
        folder = self.folder
        return folder.is_asked("resume") or folder.is_asked("stop") or folder.is_asked("delete")

    def _catch_up(self, state: TrainingState, data: TrainingData) -> None:
        """Train the steps again that are recorded and that no checkpoint holds."""
        if state.step < self.recorded.step:
            for event in train(state, data, self._stops() | {self.recorded.step}):
                if isinstance(event, Reached):
                    self._repeat_changes(event.step)
                    if event.step == self.recorded.step:
                        return

    def _take_step(self, state: TrainingState, data: TrainingData) -> None:
        steps_per_epoch, steps = extent(state.config, data)
        news, numbers = take_step(state, data)
        self.folder.write_single_step(state.step, numbers.to_bytes())
        self.folder.settle("step")  # before the step is seen, because then the next one may be asked for
        self.record(news)
        if isinstance(news, Diverged):
            return
        self._repeat_changes(state.step)
        self.film.take(state.step, state.net)
        if state.step % steps_per_epoch == 0 or state.step == steps:
            self.measure(state, data)
            if self.recorded.state is State.DIVERGED:
                return
        self.checkpoint()
        if state.step == steps:
            self.record(Finished(steps))

    # --- Ends ------------------------------------------------------------------------------------------------------

    @contextmanager
    def faults_recorded(self) -> Iterator[None]:
        """An error ends the run with a sentence; a full disk pauses it. Errors go on to the log."""
        try:
            yield
        except OSError as error:
            if not self.folder.has_file():  # moved: where it is now, it goes on; or deleted, then nobody reads this
                log.exception("the folder of the run is no longer here")
                self.writer.write(Interrupted(self.recorded.step), durable=True)
                return
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                self._fail(error)
                raise
            log.exception("no room left")
            reason = "The disk is full: make room, then resume. Training goes on from the last checkpoint."
            self.writer.write_last_words(Paused(self.state.step if self.state else 0, reason))
        except Exception as error:
            self._fail(error)
            raise

    def _last_words(self) -> RunEvent | None:
        """How the run ends now, if somebody wants it to."""
        assert self.state
        if self.folder.is_asked("stop"):
            return Stopped(self.state.step)
        if self.folder.is_asked("pause"):
            return Paused(self.state.step, "")
        if self.told_to_end:
            return Interrupted(self.state.step)
        return None

    def _fail(self, error: Exception) -> None:
        self.writer.write_last_words(Failed(_sentence(error)))

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """SIGTERM: end at the next event, with a checkpoint."""
        self.told_to_end = True


def _sentence(error: Exception) -> str:
    if is_out_of_memory(error):
        return "The device ran out of memory: start again with a smaller batch size."
    return str(error) or type(error).__name__


NO_MEMORY = (
    "not enough memory",
    "out of memory",
    "cannot allocate memory",
    "bad_alloc",
    "alloc_failed",
    "bad allocation",
)
"""How PyTorch's allocators, CUDA's libraries, Apple's and C++'s say it, all of them as a RuntimeError."""


def is_out_of_memory(error: Exception) -> bool:
    """Whether there was no memory left, whoever noticed it and however it is called there."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in NO_MEMORY)

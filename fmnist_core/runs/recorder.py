"""Trains one run and records what happens, so that nothing that was told is lost or told twice."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import torch

from fmnist_core.events import CopyLosses, Diverged, Losses, Measured, Slowed, Started
from fmnist_core.runs.folder import EventWriter, RunFolder
from fmnist_core.runs.record import (
    Failed,
    Finished,
    Interrupted,
    Paused,
    Run,
    RunEvent,
    Stopped,
)
from fmnist_core.training import TrainingData, TrainingState, measure, train

CHECKPOINT_EVERY = 10.0
"""Seconds of training that a crash may cost; the end of an epoch is always kept."""

log = logging.getLogger("worker")


class Recorder:
    """For the process that holds the run's lock."""

    def __init__(self, folder: RunFolder, writer: EventWriter, recorded: Run) -> None:
        self.folder, self.writer, self.recorded = folder, writer, recorded
        self.state: TrainingState | None = None
        self.checkpointed_at = time.monotonic()
        self.told_to_end = False

    def train(self, ready: TrainingData | None = None) -> None:
        """Train to the end, or until something else ends it; the last event tells which.

        `ready`: the data, where they are on the run's device already.
        """
        with self.faults_recorded():
            self.writer.reserve()
            self.state = self._state()
            device = self.state.device
            data = ready if ready and ready.images.device == device else TrainingData.load(device)
            for event in train(self.state, data):
                self.record(event)
                if isinstance(event, Diverged):
                    return
                if last := self._last_words():
                    self.checkpoint()
                    if isinstance(last, Stopped):  # so that what was trained can be looked at
                        self.record(measure(self.state, data))
                    self.record(last)
                    if isinstance(last, Paused):
                        self.folder.settle("pause")  # not before it is recorded: a crash in between must not lose it
                    return
                is_due = time.monotonic() - self.checkpointed_at > CHECKPOINT_EVERY
                if isinstance(event, Measured) or (isinstance(event, Losses) and is_due):
                    self.checkpoint()
            self.record(Finished(self.state.step))

    @contextmanager
    def faults_recorded(self) -> Iterator[None]:
        """An error ends the run with a sentence; a full disk pauses it. Errors go on to the log."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                self._fail(error)
                raise
            log.exception("no room left")
            reason = "The disk is full: make room, then resume. Training goes on from the last checkpoint."
            self.writer.write_last_words(Paused(self.state.step if self.state else 0, reason))
        except Exception as error:
            self._fail(error)
            raise

    def record(self, event: RunEvent) -> None:
        """Write what is new. After a restart from a checkpoint, steps are trained again that are recorded already."""
        match event:
            case Losses() | CopyLosses():
                known = self.recorded.step - event.step
                if known >= len(event.losses):
                    return
                if known > 0:
                    event = event.without(known)
            case Measured(step=step, logits=logits, validation_logits=validation_logits):
                if any(measured.step == step for measured in self.recorded.measured):
                    return
                if logits is not None:
                    self.folder.write_logits(step, logits)
                if validation_logits is not None:
                    self.folder.write_logits(step, validation_logits, "validation")
        self.writer.write(event, durable=not isinstance(event, Losses | CopyLosses | Slowed | Started))
        self.recorded = self.recorded.apply(event)

    def checkpoint(self) -> None:
        """Keep the state to go on from; a state that is no longer finite is not worth keeping."""
        if self.state and self.state.is_finite:
            self.folder.write_checkpoint(self.state.tensors(), self.state.step, self.state.seconds)
            self.checkpointed_at = time.monotonic()

    def _state(self) -> TrainingState:
        config = self.recorded.config
        checkpoint = self.folder.read_checkpoint(at_most=self.recorded.step)
        state = TrainingState.restore(config, *checkpoint) if checkpoint else TrainingState.new(config)
        if self.recorded.steps:  # it has trained before: with the same engine again, to the same bits
            if self.recorded.engine == "torch":
                state.compiled = None
            elif state.engine != "compiled":
                log.warning("the compiled training step is no longer there: going on with PyTorch, rounded otherwise")
        return state

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
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return "The device ran out of memory: start again with a smaller batch size."
    return str(error) or type(error).__name__

"""A process that trains one run, and then the next one, as long as nothing of the last one is left.

    python -m fmnist_core.runs.service.worker RUN_FOLDER    train this run, then compute the predictions that are missing
    python -m fmnist_core.runs.service.worker --first RUN_FOLDER    train this run, then do what standard input says
    python -m fmnist_core.runs.service.worker --spare       get warm, say so, then do what standard input says
    python -m fmnist_core.runs.service.worker --develop RUNS_FOLDER    compute the predictions that are still missing

Standard input says one thing a line: "run FOLDER", or "develop FOLDER", which is the last thing that a worker does.
Exit status 0 when the run's end is recorded, 75 when another worker has the run, 1 when an error ended it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import chain, islice
from pathlib import Path
from subprocess import DEVNULL
from types import FrameType
from typing import TYPE_CHECKING

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.executor import DEVELOP, FREE, HEARD, RUN
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import library

if TYPE_CHECKING:
    from fmnist_core.runs.service.reuse import Reuse
    from fmnist_core.training.state import TrainingData

EX_USAGE, EX_TEMPFAIL = 64, 75

log = logging.getLogger("worker")


class Worker:
    """The process, and what it hands from one run to the next: the data, nothing else."""

    def __init__(self, ready: TrainingData | None = None) -> None:
        self.ready = ready
        self.reuse: Reuse | None = None
        self.told_to_end = False

    def train(self, folder: RunFolder) -> int:
        """Take the run's lock, train, record. Returns the exit status."""
        for _attempt in range(20):
            if lock := folder.lock():
                break
            time.sleep(0.05)  # somebody may only be looking
        else:
            log.error("another worker has run %s", folder.id)
            return EX_TEMPFAIL
        signal.signal(signal.SIGTERM, self._end)
        with lock:
            recorded = folder.run().apply_all(folder.events())
            is_for_a_step = recorded.state is State.PAUSED and folder.is_asked("step")
            if recorded.state is not State.QUEUED and not is_for_a_step:
                return 0  # this worker comes too late
            writer = EventWriter(folder.path)
            if not is_for_a_step:
                writer.write(claimed := Claimed(os.getpid()))
                recorded = recorded.apply(claimed)

            from fmnist_core.runs.service.job_recorder import (
                JobRecorder,  # torch: only now, because the lock must be taken at once
            )
            from fmnist_core.runs.service.recorder import Recorder
            from fmnist_core.runs.service.reuse import Reuse

            self.reuse = self.reuse or Reuse()
            recorder = (JobRecorder if recorded.job else Recorder)(folder, writer, recorded)
            signal.signal(signal.SIGTERM, recorder.end)
            recorder.told_to_end |= self.told_to_end  # while torch was imported
            with self.reuse.watched(recorder):
                if not is_for_a_step:
                    recorder.train(self.ready)
                if recorder.recorded.state is State.PAUSED and not recorder.recorded.reason:
                    recorder.linger(self.ready)
            signal.signal(signal.SIGTERM, self._end)
            self.told_to_end |= recorder.told_to_end
            self.ready = recorder.data
            writer.close()
        return 0

    def develop(self, runs: Path) -> int:
        """Compute the predictions that are missing, unless told to end. Returns the exit status."""
        from fmnist_core.runs.service.predictions import develop_all

        signal.signal(signal.SIGTERM, self._end)
        develop_all(runs, self.ready, lambda: self.told_to_end)
        return 0

    def serve(self, order: str) -> int:
        """Do this, and what standard input says then; at its end, what is left to be done. Returns the exit status."""
        answers, errors = os.dup(1), os.dup(2)
        while order:
            word, _, path = order.strip().partition(" ")
            if word == DEVELOP:
                return self.develop(Path(path))
            _say(answers, HEARD)
            (folder := RunFolder(Path(path))).redirect_output()
            status = self.train(folder)
            if status or self.told_to_end:
                return status
            if not self.reuse or self.reuse.doubt:
                log.info("a fresh process takes the next run: %s", self.reuse.doubt if self.reuse else "came too late")
                break
            os.dup2(errors, 1)  # no longer into the log of a run that may be deleted
            os.dup2(errors, 2)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            _say(answers, FREE)
            if not (order := sys.stdin.readline()):  # the dispatcher has ended, or wants nobody to have a second run
                return self.develop(folder.path.parent)
        return 0

    def _end(self, _signal: int, _frame: FrameType | None) -> None:
        self.told_to_end = True


def _say(answers: int, word: str) -> None:
    with contextlib.suppress(OSError):  # the dispatcher may have ended since: the run is trained nevertheless
        os.write(answers, f"{word}\n".encode())


def _is_told() -> bool:
    """Whether standard input says something, or has ended."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def get_warm(is_wanted: Callable[[], bool] = lambda: False) -> TrainingData | None:
    """Do everything once that takes long the first time: import torch, load the data, take a step, evaluate.

    The last two not once it `is_wanted`: whoever waits for a run would wait for them twice.
    """
    import torch

    from fmnist_core.training.devices import available_devices, find_device
    from fmnist_core.training.loop import train
    from fmnist_core.training.state import TrainingData, TrainingState

    data = None
    try:
        data = TrainingData.load(find_device("auto"))
        little = TrainingData(data.images[:40], data.labels[:40], data.test_images[:40], data.test_labels[:40])
        both = (TrainingConfig(epochs=1), TrainingConfig(epochs=1, optimizer="adam"))
        steps = chain.from_iterable(train(TrainingState.new(config), little) for config in both)
        whole = islice(train(TrainingState.new(TrainingConfig()), data), 2)  # started; measured: that allocates memory
        for _event in chain(steps, whole):
            if is_wanted():
                break
        if library.is_wanted() and not library.find():  # nobody waits for it: the next run finds it
            subprocess.Popen(
                ["nice", sys.executable, "-m", "fmnist_core.training.compiled"], stdin=DEVNULL, stdout=DEVNULL
            )
    except Exception:
        log.exception("could not get warm")  # the run will meet the same fault, and record it
    print(json.dumps({"devices": available_devices(), "gpus": torch.cuda.device_count()}), flush=True)
    return data


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until there is something to keep
    match arguments:
        case ["--develop", runs]:
            return Worker().develop(Path(runs))
        case ["--spare"]:
            return Worker(get_warm(_is_told)).serve(sys.stdin.readline())
        case ["--first", folder]:
            return Worker().serve(f"{RUN} {folder}")
        case [folder]:
            (run := RunFolder(Path(folder))).redirect_output()
            worker = Worker()
            status = worker.train(run)
            return status or (0 if worker.told_to_end else worker.develop(run.path.parent))
    print(__doc__, file=sys.stderr)
    return EX_USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

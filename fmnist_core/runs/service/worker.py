"""One run in one process.

    python -m fmnist_core.runs.service.worker RUN_FOLDER    train this run
    python -m fmnist_core.runs.service.worker --develop RUNS_FOLDER    compute the predictions that are still missing
    python -m fmnist_core.runs.service.worker --spare       get warm, say so, then wait for the folder on standard input

Exit status 0 when the run's end is recorded, 75 when another worker has the run, 1 when an error ended it.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

from fmnist_core.runs.folder import RunFolder
from fmnist_core.runs.record import Claimed, State
from fmnist_core.runs.service.executor import HEARD
from fmnist_core.runs.writing import EventWriter
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import library

if TYPE_CHECKING:
    from fmnist_core.training.state import TrainingData

EX_TEMPFAIL = 75

log = logging.getLogger("worker")


def work(folder: RunFolder, ready: TrainingData | None) -> int:
    """Take the run's lock, train, record, develop the film. Returns the exit status."""
    for _attempt in range(20):
        if lock := folder.lock():
            break
        time.sleep(0.05)  # somebody may only be looking
    else:
        log.error("another worker has run %s", folder.id)
        return EX_TEMPFAIL
    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told_to_end.append(number))
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

        recorder = (JobRecorder if recorded.job else Recorder)(folder, writer, recorded)
        signal.signal(signal.SIGTERM, recorder.end)
        recorder.told_to_end |= bool(told_to_end)  # while torch was imported
        if not is_for_a_step:
            recorder.train(ready)
        if recorder.recorded.state is State.PAUSED and not recorder.recorded.reason:
            recorder.linger(ready)
        writer.close()
    from fmnist_core.runs.service.predictions import develop_all

    if not recorder.told_to_end:
        develop_all(folder.path.parent, recorder.data, lambda: recorder.told_to_end)
    return 0


def develop(runs: Path, ready: TrainingData | None = None) -> int:
    """Only develop the films that other workers have left. `ready`: the data, where they are at hand."""
    from fmnist_core.runs.service.predictions import develop_all

    told_to_end: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: told_to_end.append(number))
    develop_all(runs, ready, lambda: bool(told_to_end))
    return 0


def get_warm() -> TrainingData | None:
    """Do everything once that takes long the first time: import torch, load the data, take a step, evaluate."""
    import torch

    from fmnist_core.training.devices import available_devices, find_device
    from fmnist_core.training.loop import train
    from fmnist_core.training.state import TrainingData, TrainingState

    data = None
    try:
        data = TrainingData.load(find_device("auto"))
        little = TrainingData(data.images[:40], data.labels[:40], data.test_images[:40], data.test_labels[:40])
        for config in (TrainingConfig(epochs=1), TrainingConfig(epochs=1, optimizer="adam")):
            for _event in train(TrainingState.new(config), little):
                pass
        whole = train(TrainingState.new(TrainingConfig()), data)
        next(whole)  # started
        next(whole)  # measured: the first large evaluation allocates its memory
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
    ready = None
    if arguments[0] == "--develop":
        return develop(Path(arguments[1]))
    if arguments == ["--spare"]:
        ready = get_warm()
        if not (line := sys.stdin.readline().strip()):
            return 0  # the dispatcher has ended
        with contextlib.suppress(OSError):  # the dispatcher may have ended since: the run is trained nevertheless
            os.write(1, HEARD)
        folder = RunFolder(Path(line))
    else:
        folder = RunFolder(Path(arguments[0]))
    folder.redirect_output()
    return work(folder, ready)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Develops films: computes the predictions that go with the weights which runs have kept.

It takes 0.1 s for each snapshot of the tutorial's network, ten seconds for a run, and would slow training down by as much;
so it happens when training is over, in a process that gives way to others. It may be killed at any time: the next one
goes on with what is left.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fmnist_core.files import lock_of_ours
from fmnist_core.runs.files.folder import RunFolder, is_run_id

if TYPE_CHECKING:
    from fmnist_core.training.state import TrainingData

LOCK = ".film.lock"
WAY = 10
"""Of Linux's 19 levels of giving way. At the last one somebody who stood at the slider of a busy machine waited for minutes."""

log = logging.getLogger("developer")


def lock(runs: Path) -> IO[bytes] | None:
    """The right to develop, for one process per runs folder; None where another has it."""
    return lock_of_ours(runs / LOCK)


def is_waiting(folder: RunFolder) -> bool:
    """Whether its film can be developed now: there is something to do, and it is not being trained."""
    if folder.snapshots.is_developed:
        return False
    try:
        held = folder.lock()
    except (OSError, ValueError):
        return False  # deleted, read-only, or no file
    if held is None:
        return False
    held.close()
    return True


def develop_all(runs: Path, data: TrainingData | None, is_over: Callable[[], bool]) -> None:
    """Develop every film that waits, until there is none left or `is_over`. Does nothing where another process does it.

    The run that somebody looks at comes first, then the newest.
    """
    try:
        held = lock(runs)
    except OSError:
        return  # read-only
    if held is None:
        return
    with held:
        give_way()
        failed: set[str] = set()
        while not is_over():
            names = [entry.name for entry in os.scandir(runs) if is_run_id(entry.name) and entry.name not in failed]
            folder = max(filter(is_waiting, (RunFolder(runs / name) for name in names)), key=_urgency, default=None)
            if folder is None:
                return
            try:
                develop(folder, data, is_over)
            except OSError:  # no room, say: another process tries it later
                log.exception("run %s: its film cannot be developed now", folder.id)
                failed.add(folder.id)
            except Exception:
                log.exception("run %s: its film cannot be developed", folder.id)
                failed.add(folder.id)
                with contextlib.suppress(OSError):
                    folder.snapshots.set_developed()  # not again and again


def _urgency(folder: RunFolder) -> tuple[float, int]:
    """When somebody looked at it last, then when its settings were written."""
    return folder.when_asked("look"), folder.asked_at() or 0


def develop(folder: RunFolder, data: TrainingData | None, is_over: Callable[[], bool]) -> None:
    """Compute the logits that are missing. `data`: where they are at hand already."""
    import torch

    from fmnist_core.networks.architectures import build
    from fmnist_core.runs.service.keeping import WEIGHTS_MOST
    from fmnist_core.training.compiled import engine
    from fmnist_core.training.devices import find_device
    from fmnist_core.training.measuring import evaluated
    from fmnist_core.training.state import TrainingData

    config, snapshots = folder.run().config, folder.snapshots
    device = find_device(config.device)
    if data is None or data.images.device != device:
        data = TrainingData.load(device)
    net = build(config).to(device).to(memory_format=torch.channels_last)
    in_c = engine.predicts(net, device)
    for step in snapshots.undeveloped():
        if is_over() or not folder.has_file():
            return
        net.load_state_dict({name: torch.from_numpy(array) for name, array in snapshots.weights(step).items()})
        seen = evaluated(config, net, data.test_images, data.test_labels, in_c=in_c)
        snapshots.write_logits(step, seen.logits)
    snapshots.thin_out(WEIGHTS_MOST)
    snapshots.predictions()
    if lock := folder.lock():  # else a worker has taken the run over meanwhile, and keeps more weights
        with lock:
            if not snapshots.undeveloped():
                snapshots.set_developed()
                folder.settle("look")


def give_way() -> None:
    """From now on, let other processes go first: of a processor that one of them wants, a tenth is left, as while training.

    Linux shares a processor between sessions first where it groups by them, so that a worker's, which is a session of its
    own, must give way as a whole.
    """
    os.nice(WAY)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError):  # another system, or not grouped
            Path("/proc/self/autogroup").write_text(str(WAY), encoding="utf-8")

"""What a run gets right on the test images that count, at any of its moments: each figure is counted once. No torch."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import load
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files import curve
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Moment, Run
from fmnist_core.training.events import Measured

Mask = npt.NDArray[np.bool_] | None
"""(10,000,) bool: the test images that count; None where all do."""


def evaluation(moment: Moment, mask: Mask = None) -> Evaluation:
    """Its predictions on the test images. Raises RunNotFound, OSError or ValueError where they are missing or damaged."""
    folder = client.folder(moment.run_id)
    return _evaluated(folder, moment.step, _version(folder, moment.step), None if mask is None else mask.tobytes())


@lru_cache(maxsize=12)
def _evaluated(folder: RunFolder, step: int, _version: int, mask: bytes | None) -> Evaluation:
    """What is worked out of it, such as the probabilities, stays with it: 2 MB each."""
    whole = Evaluation.from_logits(folder.logits(step), load("test").labels)
    return whole if mask is None else whole.subset(np.frombuffer(mask, bool))


def _version(folder: RunFolder, step: int) -> int:
    return (folder.path / "snapshots" / f"{step:08d}.npy").stat().st_mtime_ns


def score(run: Run, step: int, mask: Mask = None) -> Score | None:
    """What the run gets right after `step`; None where that is not known any more."""
    recorded = next((measured.test for measured in run.measured if measured.step == step), None)
    return recorded if mask is None and recorded else _score(run.id, step, mask)


def measured(run: Run, mask: Mask = None) -> list[Measured]:
    """The run's measurements, of the test images that count; those that are not known any more are left out."""
    if mask is None:
        return list(run.measured)
    scores = [(each, _score(run.id, each.step, mask)) for each in run.measured]
    return [replace(each, test=found) for each, found in scores if found]


def losses(run: Run) -> npt.NDArray[np.float32]:
    """The loss of every step after `run.first_step`, (steps,) float32; read again only when there is more to read."""
    try:
        return curve.losses(client.folder(run.id))
    except (client.RunNotFound, OSError):
        return np.empty(0, np.float32)


def _score(run_id: str, step: int, mask: Mask) -> Score | None:
    try:
        folder = client.folder(run_id)
        return _counted(folder, step, _version(folder, step), None if mask is None else mask.tobytes())
    except (client.RunNotFound, OSError, ValueError):
        return None


@lru_cache(maxsize=2_000)
def _counted(folder: RunFolder, step: int, _version: int, mask: bytes | None) -> Score:
    result = Evaluation.from_logits(folder.logits(step), load("test").labels)
    return (result if mask is None else result.subset(np.frombuffer(mask, bool))).score

"""What networks say of pictures that they were not trained on, for doubting labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import load
from fmnist_core.data.label_doubts import Doubts, find_doubts
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Run, State
from fmnist_core.studies.cross_validation import LabelCheck

LEAST_ACCURACY = 0.8
"""Test accuracy below which a network's opinion does not count."""
MOST_RUNS = 20


@dataclass(frozen=True, eq=False)
class Evidence:
    """Probabilities for one split and where they come from."""

    probabilities: npt.NDArray[np.float32]
    """(N, 10) float32."""
    accuracy: float
    """Share of pictures whose most probable class is the given label."""
    doubts: Doubts


def judges_of_test(runs: Sequence[Run]) -> list[Run]:
    """Finished runs that are right on most test pictures, the newest first. None has been trained on test pictures.

    A sealed run is no judge: nobody knows yet how good it is.
    """
    finished = [run for run in runs if run.state is State.FINISHED and run.latest]
    good = [run for run in finished if run.latest and run.latest.test and run.latest.test.accuracy >= LEAST_ACCURACY]
    return good[:MOST_RUNS]


def of_test(runs: Sequence[Run]) -> Evidence:
    """The mean of the runs' probabilities. Raises OSError, ValueError where predictions are missing."""
    return _of_test(tuple((client.folder(run.id), run.step) for run in runs))


@lru_cache(maxsize=2)
def _of_test(moments: tuple[tuple[RunFolder, int], ...]) -> Evidence:
    labels = load("test").labels
    parts = [Evaluation.from_logits(folder.logits(step), labels).probabilities for folder, step in moments]
    return _evidence(np.mean(parts, axis=0, dtype=np.float32), labels)


def of_train(check: LabelCheck) -> Evidence:
    """Each training picture's from the run that held it out. Raises OSError, ValueError."""
    return _of_train(check)


@lru_cache(maxsize=2)
def _of_train(check: LabelCheck) -> Evidence:
    labels = load("train").labels
    return _evidence(Evaluation.from_logits(check.logits(), labels).probabilities, labels)


def _evidence(probabilities: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> Evidence:
    right = float((probabilities.argmax(axis=1) == labels).mean())
    return Evidence(probabilities, right, find_doubts(np.asarray(labels), probabilities))

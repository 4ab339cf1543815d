"""What a run got right, as far as it may be seen: of an open sweep only what is known of its held-out images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.files.snapshots import Split
from fmnist_core.training.events import Measured


@dataclass(frozen=True, eq=False)
class Results:
    """A network on the images that it is judged by."""

    split: Split
    step: int
    score: Score
    labels: npt.NDArray[np.uint8]
    """(N,) uint8: the true classes."""
    indices: npt.NDArray[np.int64]
    """(N,) int64: which images of their split these are."""
    evaluation: Evaluation | None
    """None where the predictions are missing from the run's folder."""

    @property
    def images(self) -> str:
        """What they are, for a sentence.

        >>> import numpy as np
        >>> none = np.empty(0)
        >>> Results("test", 1, Score(0.5, (1,), (2,)), none, none, None).images
        '2 test images'
        """
        count = f"{sum(self.score.total):,}"
        return f"{count} test images" if self.split == "test" else f"{count} held-out training images"


def split_of(run: Run) -> Split:
    """The images by which the run may be judged now."""
    return "validation" if run.is_sealed else "test"


def score_of(run: Run, measured: Measured) -> Score | None:
    """What a measurement says that may be seen."""
    return measured.validation if run.is_sealed else measured.test


def results_of(run: Run) -> Results | None:
    """The newest; None where nothing was measured."""
    measured = run.latest
    split = split_of(run)
    score = score_of(run, measured) if measured else None
    if measured is None or score is None:
        return None
    if split == "test":
        labels, indices = dataset.load("test").labels, np.arange(sum(score.total))
    else:
        indices = dataset.held_out(run.config.validation, run.config.fold)
        labels = dataset.load("train").labels[indices]
    try:
        evaluation = Evaluation.from_logits(client.folder(run.id).logits(measured.step, split), labels)
    except (OSError, ValueError):
        evaluation = None
    return Results(split, measured.step, score, labels, indices, evaluation)

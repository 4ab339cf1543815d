"""A network before training and at one moment after, on the same images: what the Test page is about.

Every figure on the page is taken from here: which logits, and which images, is decided once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.data.dataset import Split
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Moment, Run
from fmnist_core.studies.scores import evaluation


@dataclass(frozen=True)
class Subject:
    """A network before training and at one moment after, on the same images."""

    run: Run
    step: int
    """The moment that "after" means, in weight updates."""
    before: Evaluation
    after: Evaluation
    test: Split
    """All test images; `Evaluation.indices` says which of them count."""
    kept: npt.NDArray[np.bool_] | None
    """(10,000,) bool: the images that count; None for all."""

    @property
    def images(self) -> npt.NDArray[np.uint8]:
        """(10,000, 28, 28): all of them, for `Evaluation.indices` to choose from."""
        return self.test.images

    @cached_property
    def predictions(self) -> npt.NDArray[np.uint8]:
        """(M, 10,000) uint8: the classes predicted at all M moments that the run keeps, in their order."""
        return client.folder(self.run.id).predictions().classes

    def other(self, run_id: str, step: int) -> Evaluation:
        """Another run or moment, on the same images. Raises OSError or ValueError where the predictions are missing."""
        return evaluation(Moment(run_id, step), self.kept)


def subject(run: Run, step: int, test: Split, kept: npt.NDArray[np.bool_] | None) -> Subject | None:
    """`kept`: (10,000,) bool, the images that count, None for all. None where predictions are missing from the folder."""
    try:
        before, after = (evaluation(Moment(run.id, at), kept) for at in (0, step))
    except (OSError, ValueError):
        return None
    return Subject(run, step, before, after, test, kept)


def validation(subject: Subject) -> Evaluation | None:
    """The same network on the training images that the run held out; None where there are none."""
    config, folder = subject.run.config, client.folder(subject.run.id)
    if not config.validation:
        return None
    try:
        logits = folder.logits(subject.step, "validation")
        return Evaluation.from_logits(
            logits, dataset.load("train").labels[dataset.held_out(config.validation, config.fold)]
        )
    except (OSError, ValueError, dataset.DatasetError):
        return None

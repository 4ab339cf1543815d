"""Predictions of the time slider's moments while the run still trains, where they are quick: in C.

They take their turn between two training steps; with the keeping of weights (`keeping.py`), which comes first, less than a
tenth of the training time. What does not fit is computed when training is over (`predictions.py`), as everything is where nothing is compiled.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.snapshots import Weights
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled.predict import predict
from fmnist_core.training.state import TrainingData, TrainingState

SHARE = 0.08
"""Of the training time, for all that the time slider needs: with the compiled step, which is called for fewer steps at a time
because of it (2 to 4 % of a run of two epochs), about a tenth.
"""
WAITING_MOST = 16 << 20
"""Bytes of weights that wait in memory; what is over that waits until training is over."""


@dataclass
class Meanwhile:
    """Computes one moment after another, each in the middle of the widest gap: at any time they are spread over the run."""

    folder: RunFolder
    config: TrainingConfig
    images: npt.NDArray[np.uint8]
    """(N, 28, 28): the test images."""
    began: float
    """Training seconds that the run had when this began."""
    done: set[int]
    """Steps whose logits are there."""
    waiting: dict[int, Weights] = field(default_factory=dict)
    spent: float = 0.0
    """Seconds."""
    cost: float = 0.1
    """Seconds that the last one took; a guess before the first."""

    @classmethod
    def of(cls, folder: RunFolder, state: TrainingState, data: TrainingData) -> Meanwhile | None:
        """For a run that is about to train; None where its predictions are not quick."""
        if not state.predicts_in_c:
            return None
        return cls(folder, state.config, data.test_images.numpy(), state.seconds, set(folder.logit_steps()))

    def add(self, weights: dict[int, Weights]) -> None:
        """These weights are on the disk, and so is a checkpoint from them on: no other ones can take their place."""
        self.done |= set(self.folder.logit_steps())  # measured, or computed by a worker that has died
        self.waiting |= {step: of_step for step, of_step in weights.items() if step not in self.done}
        while self.waiting and sum(a.nbytes for w in self.waiting.values() for a in w.values()) > WAITING_MOST:
            self.waiting.pop(self._next())

    def look(self, seconds: float, keeping: float) -> None:
        """Compute one, if with the seconds of `keeping` weights that is `SHARE` of the `seconds` of training so far at most."""
        if not self.waiting or keeping + self.spent + self.cost > SHARE * (seconds - self.began):
            return
        began = time.perf_counter()
        step, config = self._next(), self.config
        options = {"standardise": config.standardise, "flip": config.flip_test}
        logits = predict(self.waiting.pop(step), self.images, **options, threads=torch.get_num_threads())
        self.folder.write_logits(step, logits)
        self.done.add(step)
        self.cost = time.perf_counter() - began
        self.spent += self.cost

    def _next(self) -> int:
        """Of those that wait, the one with the most others between it and the next that is done."""
        steps = sorted(self.done | self.waiting.keys())
        places = [place for place, step in enumerate(steps) if step in self.done] or [0]
        distance = {step: min(abs(place - other) for other in places) for place, step in enumerate(steps)}
        return max(self.waiting, key=lambda step: (distance[step], step))

"""What a run's network says of any picture, and whether it should be asked: for pictures that are not of the data set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.evaluation.strangers import ASIDE, REFERENCE, Familiar, Strangeness
from fmnist_core.inside.network import Network, softmax
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import features
from fmnist_core.training.compiled import predict

QUICK = ("net", "perceptron", "linear")
"""Architectures whose hidden layer is computed at once for thousands of pictures; that of others is read where it was kept."""


@dataclass(frozen=True, eq=False)
class Answers:
    """About N pictures."""

    probabilities: npt.NDArray[np.float64]
    """(N, 10): the softmax, each row adds up to 1."""
    strangeness: Strangeness

    @property
    def classes(self) -> npt.NDArray[np.int64]:
        """(N,): the most probable."""
        winners: npt.NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return winners


@dataclass(frozen=True, eq=False)
class Respondent:
    """A run's network at one moment, with what it takes for usual."""

    network: Network
    familiar: Familiar

    indices: npt.NDArray[np.int64]
    """The training pictures that it was fitted on."""

    @classmethod
    def of(cls, network: Network, looked_through: npt.NDArray[np.floating] | None = None) -> Respondent:
        """Fitted on `REFERENCE` + `ASIDE` training pictures, evenly spread.

        `looked_through`: the last hidden layer of all training pictures, (60,000 or more, units), where it is known.
        """
        train = dataset.load("train")
        chosen = np.linspace(0, len(train) - 1, REFERENCE + ASIDE).astype(int)
        images = train.images[chosen]
        if network.config.architecture in QUICK:
            inner: npt.NDArray[np.floating] | None = hidden(network, images)
        else:
            inner = None if looked_through is None else looked_through[chosen]
        return cls(network, Familiar.fit(images, inner), chosen)

    @property
    def looks_inside(self) -> bool:
        """Whether the flag knows the hidden layer; else it goes by the picture alone."""
        return self.familiar.reference is not None

    def answer(self, pictures: npt.NDArray[np.uint8]) -> Answers:
        """What the network says of pictures (N, 28, 28) uint8, as the run's own measurements would count it."""
        config = self.network.config
        if config.architecture == "net" and not config.flip_test and len(pictures):  # one look gives both
            found, inner = predict.activations(
                self.network.weights, pictures, standardise=config.standardise, threads=1
            )
            return Answers(softmax(found), self.familiar.of(pictures, inner))
        seen = hidden(self.network, pictures) if self.looks_inside else None
        return Answers(softmax(logits(self.network, pictures)), self.familiar.of(pictures, seen))

    def neighbours(self, pictures: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int64]:
        """Training pictures nearest in the hidden layer, of `REFERENCE` that were looked at: (N, count) indices."""
        return self.indices[self.familiar.neighbours(hidden(self.network, pictures), count)]


def respondent(folder: RunFolder, step: int) -> Respondent:
    """The network of a run after `step`, kept in memory for the next question.

    Raises FileNotFoundError where the weights of that step were not kept, ValueError where they do not fit.
    """
    return _respondent(folder.path, step, features.read(folder, step) is not None)


@lru_cache(maxsize=6)
def _respondent(path: Path, step: int, _is_looked_through: bool) -> Respondent:
    folder = RunFolder(path)
    return Respondent.of(opened(folder, step), features.read(folder, step))


def logits(network: Network, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(N, 10), by the quickest way there is: in C for the tutorial's network, else by NumPy."""
    config = network.config
    if config.architecture == "net" and len(pictures):
        return predict.predict(
            network.weights, pictures, standardise=config.standardise, flip=config.flip_test, threads=1
        )
    return network.logits(pictures)


def hidden(network: Network, pictures: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the last linear layer reads, (N, units); for `linear` that is the picture itself."""
    if network.config.architecture == "net":
        return predict.activations(network.weights, pictures, standardise=network.config.standardise, threads=1)[1]
    last = network.nodes[-1].inputs[0]
    parts = [
        network.values(pictures[start : start + 500], only=(last,))[last] for start in range(0, len(pictures), 500)
    ]
    return np.concatenate([part.reshape(len(part), -1) for part in parts])

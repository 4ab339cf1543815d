"""Unlike anything it was trained on: a flag for pictures of which a network should not be asked at all.

A softmax cannot say "none of these": its ten numbers add up to 1 for a cat, too. Two things are looked at instead, and the
stranger of the two counts:

* **the picture**: nine plain figures (how much is lit, along the border, from row to row, …) and how unusual they are
  together, by Mahalanobis distance;
* **what the network makes of it**: how far its five nearest training pictures are in the last hidden layer, all scaled to unit
  length (Sun et al., 2022, "Out-of-Distribution Detection with Deep Nearest Neighbors", with k = 5).

Each is ranked among training pictures that were set aside. It measures likeness, not correctness: a picture may be flagged
and recognised, or look familiar and be mistaken. What it catches and what not: docs/strangers.md. NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.evaluation.neighbours import nearest

Floats = npt.NDArray[np.float64]

REFERENCE = 10_000
"""Training pictures among which neighbours are looked for."""
ASIDE = 3_000
"""Others, by which "usual" is measured."""
NEIGHBOURS = 5
FALSE_ALARMS = 0.05
"""Share of training pictures set aside that the flag would call strangers: where the line is drawn."""

FIGURES = (
    ("mean brightness", "{} of the brightest possible"),
    ("contrast", "a deviation of {}"),
    ("black pixels", "{} of the picture is quite black"),
    ("lit border", "{} of the border is lit"),
    ("change from row to row", "{} on average from one row to the next"),
    ("change from column to column", "{} on average from one column to the next"),
    ("lit rows", "{} of the rows are lit"),
    ("lit columns", "{} of the columns are lit"),
    ("brightest pixel", "the brightest pixel has {}"),
)
"""Each figure's name, and how a value of it is said; all are shares of 1."""


def figures(images: npt.NDArray[np.uint8]) -> Floats:
    """The nine figures of each picture (N, 28, 28) uint8, in the order of `FIGURES`: (N, 9), each from 0 to 1.

    >>> figures(np.zeros((1, 28, 28), np.uint8)).tolist()
    [[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    x = images.astype(np.float32) / 255
    border = np.concatenate([x[:, 0], x[:, -1], x[:, :, 0], x[:, :, -1]], axis=1)
    columns = [
        x.mean((1, 2)),
        x.std((1, 2)),
        (x == 0).mean((1, 2)),
        (border > 0.02).mean(1),
        np.abs(np.diff(x, axis=1)).mean((1, 2)),
        np.abs(np.diff(x, axis=2)).mean((1, 2)),
        (x.max(2) > 0.1).mean(1),
        (x.max(1) > 0.1).mean(1),
        x.max((1, 2)),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Strangeness:
    """How strange each of N pictures is."""

    rank: Floats
    """(N,): the larger of the two ranks, 0 to 1: the share of training pictures set aside that are less strange."""
    by_picture: Floats
    """(N,): its rank by the nine figures."""
    by_network: Floats
    """(N,): its rank by the hidden layer; that of the figures where no hidden layer is known."""
    is_stranger: npt.NDArray[np.bool_]
    """(N,): whether the flag is raised."""
    reasons: tuple[str, ...]
    """Why each is as strange as it is, a sentence."""


@dataclass(frozen=True, eq=False)
class Familiar:
    """What training pictures are like, by their figures and in one network's hidden layer."""

    typical: Floats
    """(M, 9): the figures of the pictures set aside, each column ascending."""
    mean: Floats
    """(9,)"""
    precision: Floats
    """(9, 9): the inverse of the figures' covariance."""
    reference: npt.NDArray[np.float32] | None
    """(R, units) float32, of unit length; None where no hidden layer is known."""
    usual_by_picture: Floats
    """(M,) ascending: how strange the pictures set aside are, by their figures."""
    usual_by_network: Floats | None
    """(M,) ascending: the same in the hidden layer."""
    line: float
    """The rank above which the flag is raised."""

    @classmethod
    def fit(cls, images: npt.NDArray[np.uint8], hidden: npt.NDArray[np.floating] | None = None) -> Familiar:
        """From training pictures (N, 28, 28) uint8, a tenth to a quarter of which are set aside to rank by.

        `hidden`: (N, units), what the network's last hidden layer makes of the same pictures.
        """
        if hidden is not None and len(hidden) != len(images):
            raise ValueError(f"need hidden values for {len(images):,} pictures, got {len(hidden):,}")
        if len(images) < 100:
            raise ValueError(f"need at least 100 training pictures, got {len(images)}")
        aside = _set_aside(len(images))
        found = figures(images)
        mean = found[~aside].mean(axis=0).astype(np.float64)
        precision = np.linalg.inv(np.cov(found[~aside].T) + 1e-5 * np.eye(found.shape[1])).astype(np.float64)
        by_picture = _mahalanobis(found[aside], mean, precision)
        usual, ranks = np.sort(by_picture), _ranks(by_picture, np.sort(by_picture))
        reference = usual_network = None
        if hidden is not None:
            reference = _unit(hidden[~aside])
            by_network = _distance(_unit(hidden[aside]), reference)
            usual_network = np.sort(by_network)
            ranks = np.maximum(ranks, _ranks(by_network, usual_network))
        line = float(np.quantile(ranks, 1 - FALSE_ALARMS))
        typical = np.sort(found[aside], axis=0)
        return cls(typical, mean, precision, reference, usual, usual_network, line)

    def of(self, images: npt.NDArray[np.uint8], hidden: npt.NDArray[np.floating] | None = None) -> Strangeness:
        """How strange pictures (N, 28, 28) uint8 are; `hidden`: (N, units), what the same network makes of them."""
        found = figures(images)
        by_picture = _ranks(_mahalanobis(found, self.mean, self.precision), self.usual_by_picture)
        by_network = by_picture
        if self.reference is not None and self.usual_by_network is not None:
            if hidden is None or hidden.shape != (len(images), self.reference.shape[1]):
                raise ValueError(f"need hidden values ({len(images)}, {self.reference.shape[1]})")
            by_network = _ranks(_distance(_unit(hidden), self.reference), self.usual_by_network)
        rank = np.maximum(by_picture, by_network)
        reasons = tuple(
            self._in_words(one) if p >= n else self._of_network(n)
            for one, p, n in zip(found, by_picture, by_network, strict=True)
        )
        return Strangeness(rank, by_picture, by_network, rank > self.line, reasons)

    def neighbours(self, hidden: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.int64]:
        """The training pictures nearest to N others in the hidden layer: (N, count), places among those given to `fit`.

        Raises ValueError where no hidden layer is known.
        """
        if self.reference is None:
            raise ValueError("no hidden layer is known")
        places = nearest(_unit(hidden), self.reference, count)[0]
        size = len(self.reference) + len(self.usual_by_picture)
        return np.flatnonzero(~_set_aside(size))[places]

    def _in_words(self, found: Floats) -> str:
        """The figure that lies furthest out, and what it is in training."""
        low, middle, high = np.quantile(self.typical, (0.025, 0.5, 0.975), axis=0)
        spread = np.maximum(np.where(found > middle, high - middle, middle - low), 0.02)
        out = np.abs(found - middle) / spread
        worst = int(out.argmax())
        name, words = FIGURES[worst]
        said = words.format(_percent(found[worst]))
        if out[worst] <= 1:
            return (
                f"Each of its nine figures is usual, but not together; the most unusual one: {said}, "
                f"in training mostly {_percent(low[worst])} to {_percent(high[worst])} ({name})."
            )
        return f"{said[0].upper()}{said[1:]}; in 95 of 100 training pictures {_percent(low[worst])} to {_percent(high[worst])} ({name})."

    @staticmethod
    def _of_network(rank: float) -> str:
        return (
            f"In the network’s last hidden layer its {NEIGHBOURS} nearest training pictures are further away than those of "
            f"{100 * rank:.0f} % of training pictures."
        )


def auroc(usual: npt.ArrayLike, strange: npt.ArrayLike) -> float:
    """The chance that a stranger scores above a usual picture, ties half: the area under the ROC curve, 0 to 1.

    >>> auroc([1, 2, 3], [3, 4])
    0.9166666666666666
    """
    known, new = np.sort(np.asarray(usual, np.float64)), np.asarray(strange, np.float64)
    below, upto = np.searchsorted(known, new, "left"), np.searchsorted(known, new, "right")
    return float((below + upto).sum() / (2 * len(known) * len(new)))


def _set_aside(count: int) -> npt.NDArray[np.bool_]:
    aside = np.zeros(count, bool)
    aside[:: max(4, count // ASIDE)] = True
    return aside


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _mahalanobis(found: Floats, mean: Floats, precision: Floats) -> Floats:
    off = found - mean
    squares: Floats = np.einsum("nd,de,ne->n", off, precision, off)
    return squares


def _unit(hidden: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    wide = hidden.astype(np.float32)
    unit: npt.NDArray[np.float32] = wide / (np.linalg.norm(wide, axis=1, keepdims=True) + np.float32(1e-6))
    return unit


def _distance(queries: npt.NDArray[np.float32], reference: npt.NDArray[np.float32]) -> Floats:
    """To the fifth nearest, (N,); both of unit length."""
    found = np.empty(len(queries))
    k = min(NEIGHBOURS, len(reference)) - 1
    for start in range(0, len(queries), 200):
        part = queries[start : start + 200]
        squares = np.einsum("nd,nd->n", part, part)[:, None] + np.einsum("rd,rd->r", reference, reference)
        squares = squares - 2 * part @ reference.T
        found[start : start + 200] = np.partition(squares, k, axis=1)[:, k]
    return np.sqrt(np.maximum(found, 0))


def _ranks(scores: Floats, usual: Floats) -> Floats:
    return np.searchsorted(usual, scores) / len(usual)

"""How well the flag "unlike anything it was trained on" works for one network, kind by kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.evaluation.strange_pictures import CHOSEN_BY, HELD_OUT, Make
from fmnist_core.evaluation.strangers import auroc
from fmnist_core.studies.answers import Respondent

Floats = npt.NDArray[np.float64]
USUAL = 1_500
"""Test pictures that stand for usual ones."""


@dataclass(frozen=True, eq=False)
class Caught:
    """What the flag makes of one kind of stranger."""

    kind: str
    held_out: bool
    """Whether the kind played no part in choosing what the flag looks at."""
    auroc: float
    """The chance that one of these ranks above a test picture; 0.5 is blind, 1 perfect."""
    by_picture: float
    """The same by the nine figures alone."""
    by_network: float
    """The same by the hidden layer alone."""
    by_softmax: float
    """The same by what is often used instead: one minus the highest probability."""
    share: float
    """Share that is flagged."""
    ranks: Floats
    """(N,) ascending: how strange each of them is."""


@dataclass(frozen=True, eq=False)
class Quality:
    """All kinds, and the usual pictures they are compared with."""

    kinds: tuple[Caught, ...]
    false_alarms: float
    """Share of the test pictures that is flagged."""
    usual: Floats
    """(`USUAL`,) ascending: how strange the test pictures are."""

    def mean(self, *, held_out: bool) -> float:
        """Mean AUROC of the kinds held out, or of the others."""
        return float(np.mean([kind.auroc for kind in self.kinds if kind.held_out == held_out]))

    def curve(self, kind: Caught) -> tuple[Floats, Floats]:
        """(false alarms, caught): the ROC curve, both from 0 to 1."""
        lines = np.unique(np.concatenate([self.usual, kind.ranks, [-np.inf]]))[::-1]
        above = [1 - np.searchsorted(ranks, lines, side="right") / len(ranks) for ranks in (self.usual, kind.ranks)]
        return above[0], above[1]


def quality(respondent: Respondent, count: int = 150, more: dict[str, npt.NDArray[np.uint8]] | None = None) -> Quality:
    """Measured with `count` pictures of each kind, made from the first test pictures; usual ones are the last `USUAL`.

    `more`: further kinds, held out, pictures (N, 28, 28) uint8 by name.
    """
    test = dataset.load("test")
    base = np.array(test.images[:count])
    usual = respondent.answer(test.images[-USUAL:])
    made: list[tuple[str, bool, npt.NDArray[np.uint8]]] = []
    lists: tuple[tuple[dict[str, Make], bool], ...] = ((HELD_OUT, True), (CHOSEN_BY, False))
    for kinds, held_out in lists:
        made += [(name, held_out, make(base, np.random.default_rng(0))) for name, make in kinds.items()]
    made += [(name, True, pictures) for name, pictures in (more or {}).items()]
    known = usual.strangeness
    found = []
    for name, held_out, pictures in made:
        answers = respondent.answer(pictures)
        strange = answers.strangeness
        found.append(
            Caught(
                name,
                held_out,
                auroc(known.rank, strange.rank),
                auroc(known.by_picture, strange.by_picture),
                auroc(known.by_network, strange.by_network),
                auroc(-usual.probabilities.max(1), -answers.probabilities.max(1)),
                float(strange.is_stranger.mean()),
                np.sort(strange.rank),
            )
        )
    return Quality(tuple(found), float(known.is_stranger.mean()), np.sort(known.rank))

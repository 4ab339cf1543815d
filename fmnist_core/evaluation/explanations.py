"""What a confusion matrix says, in sentences: the class that is hardest, and a network that says the same to everything. NumPy only."""

from __future__ import annotations

import numpy as np

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.metrics import Matrix

FAVOURED = 0.5
"""Share of all predictions from which on a class counts as what the network calls everything."""
MENTIONED = 0.05
"""Share of a class's pictures from which on a confusion is worth naming."""


def favourite(matrix: Matrix) -> str:
    """What a network that has learned nothing does with all pictures; empty where no class has over half of them.

    `matrix`: (10, 10) counts by [true class, predicted class].

    >>> matrix = np.zeros((10, 10), np.int64)
    >>> matrix[:, 2] = 1000
    >>> favourite(matrix)
    'It calls 100 % of the pictures Pullover, so it is right about the Pullovers and wrong about the rest: about 10 % in all.'
    """
    predicted = matrix.sum(0)
    if not matrix.sum() or predicted.max() / matrix.sum() <= FAVOURED:
        return ""
    at = int(predicted.argmax())
    share = predicted[at] / matrix.sum()
    right = matrix.diagonal().sum() / matrix.sum()
    return (
        f"It calls {100 * share:.0f} % of the pictures {CLASSES[at]}, so it is right about {_plural(at)} and wrong about "
        f"{'the rest' if share > 0.99 else 'most others'}: about {100 * right:.0f} % in all."
    )


def hardest(matrix: Matrix) -> int | None:
    """The class that is recognised worst; None without a mistake."""
    total = matrix.sum(1)
    recall = np.where(total > 0, matrix.diagonal() / np.maximum(total, 1), np.nan)
    return int(np.nanargmin(recall)) if total.any() and np.nanmin(recall) < 1 else None


def hardest_class(matrix: Matrix) -> str:
    """Which class is recognised worst, and what its pictures are taken for; empty without a mistake.

    >>> matrix = np.diag([1000] * 10)
    >>> matrix[6] = [200, 0, 100, 0, 90, 0, 600, 0, 10, 0]
    >>> hardest_class(matrix)
    'The hardest class is Shirt: 60 % of its pictures are recognised. 20 % are taken for T-shirt/top, 10 % for Pullover, 9 % for Coat.'
    """
    if (at := hardest(matrix)) is None:
        return ""
    others = matrix[at] / matrix[at].sum()
    recognised, others[at] = others[at], 0
    named = [i for i in np.argsort(-others, kind="stable").tolist() if others[i] >= MENTIONED][:3]
    sentence = f"The hardest class is {CLASSES[at]}: {100 * recognised:.0f} % of its pictures are recognised."
    if named:
        shares = [f"{100 * others[i]:.0f} % {'are taken ' if i == named[0] else ''}for {CLASSES[i]}" for i in named]
        sentence += f" {', '.join(shares)}."
    return sentence


def _plural(at: int) -> str:
    """The pictures of a class, in a sentence."""
    return (
        f"the {CLASSES[at]}s"
        if CLASSES[at] not in ("T-shirt/top", "Dress", "Ankle boot")
        else f"the class {CLASSES[at]}"
    )

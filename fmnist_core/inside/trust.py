"""How far each map of pixels can be trusted, measured on the very network that it explains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.attribution import MAPS, Map, Pixels, attribute, target
from fmnist_core.inside.network import Network, softmax

PICTURES = 60
"""Pictures that the measurement takes: the standard error of an agreement is then about 0.02."""
SHARES = np.arange(1, 11) / 20
"""Shares of a picture's lit pixels that are blacked: 5 % to 50 %."""


@dataclass(frozen=True)
class Trust:
    """Of one kind of map."""

    kind: Map
    agreement: float
    """Spearman's rank correlation with what blacking each lit pixel alone really does to the prediction's logit, in
    [-1, 1], averaged over the pictures: 1 is perfect, 0 is chance."""
    error: float
    """Standard error of that mean."""
    left: float
    """Mean probability of the prediction while its strongest 5 to 50 % of the lit pixels are black, in [0, 1]: less is
    better (Samek et al., 2017, "Evaluating the visualization of what a deep neural network has learned")."""


def trust(network: Network, images: npt.NDArray[np.uint8]) -> list[Trust]:
    """Of every map that this network can have, over `images`, (N, 28, 28) uint8."""
    kinds = [kind for kind in MAPS if kind != "Grad-CAM" or any(node.op == "convolution" for node in network.nodes)]
    agreements: dict[Map, list[float]] = {kind: [] for kind in kinds}
    left: dict[Map, list[float]] = {kind: [] for kind in kinds}
    for image in images:
        lit = np.flatnonzero(image.ravel())
        predicted = int(network.logits(image[None])[0].argmax())
        effects = _effects(network, image, lit, predicted)
        for kind in kinds:
            values = attribute(kind, network, image, target(predicted)).ravel()[lit]
            agreements[kind].append(spearman(values, effects))
            left[kind].append(_left(network, image, lit[np.argsort(-values, kind="stable")], predicted))
    count = max(1, len(images))
    return [
        Trust(
            kind,
            float(np.mean(agreements[kind])),
            float(np.std(agreements[kind]) / np.sqrt(count)),
            float(np.mean(left[kind])),
        )
        for kind in kinds
    ]


def _effects(network: Network, image: npt.NDArray[np.uint8], lit: npt.NDArray[np.int64], predicted: int) -> Pixels:
    """By how much the prediction's logit falls when each lit pixel alone is black."""
    blacked = np.repeat(image.reshape(1, -1), len(lit), 0)
    blacked[np.arange(len(lit)), lit] = 0
    whole = float(network.logits(image[None])[0, predicted])
    fall: Pixels = whole - network.logits(blacked.reshape(-1, 28, 28))[:, predicted].astype(np.float64)
    return fall


def _left(network: Network, image: npt.NDArray[np.uint8], order: npt.NDArray[np.int64], predicted: int) -> float:
    """Mean probability of `predicted` while more and more pixels, in `order`, are black."""
    blacked = np.repeat(image.reshape(1, -1), len(SHARES), 0)
    for row, share in enumerate(SHARES):
        blacked[row, order[: int(len(order) * share)]] = 0
    return float(softmax(network.logits(blacked.reshape(-1, 28, 28)))[:, predicted].mean())


def spearman(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Rank correlation, equal values sharing their mean rank; 0 where either is constant.

    >>> round(spearman(np.array([1.0, 2.0, 3.0, 3.0]), np.array([1.0, 5.0, 9.0, 9.0])), 3)
    1.0
    """
    ranks = [_ranks(values) for values in (one, other)]
    if any(rank.std() == 0 for rank in ranks if len(rank)) or not len(one):
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks

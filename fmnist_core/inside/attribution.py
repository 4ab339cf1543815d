"""Which pixels made an output what it is: an exact ledger, and three well-known maps to hold beside it.

A *target* is ten weights of the ten logits, (10,): a one for a class; a one and a minus one for "this class rather than
that". What is explained is the weighted sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from fmnist_core.inside import activations
from fmnist_core.inside.graph import CLASSES, INPUT
from fmnist_core.inside.network import Network

Map = Literal["ledger", "integrated gradients", "occlusion", "gradient", "Grad-CAM"]
MAPS: tuple[Map, ...] = get_args(Map)
Pixels = npt.NDArray[np.float64]
"""(28, 28): how much each pixel adds to the target; of "gradient" and "Grad-CAM" only an order means something."""

IG_STEPS = 16
OCCLUDED = 5
"""Side of the black square that occlusion moves over the picture."""


def target(label: int, against: int | None = None) -> npt.NDArray[np.float32]:
    """(10,): the logit of `label`, or how far it stands above that of `against`.

    >>> target(6, 0).tolist()
    [-1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    weights = np.zeros(CLASSES, np.float32)
    weights[label] += 1
    if against is not None:
        weights[against] -= 1
    return weights


@dataclass(frozen=True, eq=False)
class Ledger:
    """An output written out as a sum: in evaluation mode our networks are piecewise linear, so it *is* one."""

    contributions: Pixels
    """(28, 28): pixel times slope; relative to black, (pixel - black) times slope."""
    constant: float
    """The rest: what the biases add, through the same slopes; relative to black, with what a black picture's pixels add."""
    value: float
    """What the network itself computed: `contributions.sum() + constant` is equal to it but for rounding."""
    ties: int
    """Windows of max-pooling in which two or more values above 0 are the largest: the sum is exact all the same, but
    which pixels get the share is one of several answers (here the first, as torch does)."""

    @property
    def total(self) -> float:
        """The sum written out."""
        return float(self.contributions.sum()) + self.constant


def ledger(network: Network, image: npt.NDArray[np.uint8], wanted: npt.NDArray[np.float32], *, black: bool) -> Ledger:
    """Of one picture, (28, 28) uint8. `black`: relative to a black picture, so that background adds nothing."""
    x = network.input(image[None])
    values = activations.forward(network.nodes, network.weights, x)
    slopes = activations.backward(network.nodes, network.weights, values, wanted[None])
    slope = slopes.gradients[INPUT][0, 0].astype(np.float64)
    from_black = network.black if black else 0.0
    pools = [node for node in network.nodes if node.op == "max-pooling"]
    return Ledger(
        (x[0, 0].astype(np.float64) - from_black) * slope,
        float(slopes.constant[0]) + from_black * float(slope.sum()),
        float(values[network.nodes[-1].name][0].astype(np.float64) @ wanted),
        sum(int(activations.pool_ties(values[node.inputs[0]]).sum()) for node in pools),
    )


@dataclass(frozen=True)
class Switched:
    """A ReLU or a max-pooling that decided otherwise after pixels were erased: there the old sum stops holding."""

    node: str
    channel: int
    row: int
    column: int
    before: float
    """Value, or winner's value, before."""
    after: float


def switched(network: Network, before: npt.NDArray[np.uint8], after: npt.NDArray[np.uint8]) -> list[Switched]:
    """What chooses otherwise for the picture `after` than for `before`, (28, 28) uint8 each, the largest change first."""
    values = network.values(np.stack([before, after]))
    found = []
    for node in network.nodes:
        if node.op == "relu":
            x = values[node.inputs[0]]
            places = np.argwhere(np.atleast_1d((x[0] > 0) != (x[1] > 0)))
        elif node.op == "max-pooling":
            x = values[node.name]
            winners = activations.pool_winners(values[node.inputs[0]])
            places = np.argwhere((winners[0] != winners[1]) & ((x[0] > 0) | (x[1] > 0)))
        else:
            continue
        for place in places:
            channel, row, column = (*place.tolist(), 0, 0)[:3]
            one, other = (float(x[n][tuple(place)]) for n in (0, 1))
            found.append(Switched(node.name, channel, row, column, one, other))
    return sorted(found, key=lambda switch: -abs(switch.after - switch.before))


# --- Other maps, for comparison ------------------------------------------------------------------------------------


def attribute(kind: Map, network: Network, image: npt.NDArray[np.uint8], wanted: npt.NDArray[np.float32]) -> Pixels:
    """The map of one picture, (28, 28) uint8, relative to black.

    Raises ValueError for "Grad-CAM" where the network has no convolution.
    """
    match kind:
        case "ledger":
            return ledger(network, image, wanted, black=True).contributions
        case "integrated gradients":
            return integrated_gradients(network, image, wanted)
        case "occlusion":
            return occlusion(network, image, wanted)
        case "gradient":
            steep: Pixels = np.abs(_slope(network, network.input(image[None]), wanted)[0])
            return steep
        case "Grad-CAM":
            return grad_cam(network, image, wanted)


def integrated_gradients(
    network: Network, image: npt.NDArray[np.uint8], wanted: npt.NDArray[np.float32], steps: int = IG_STEPS
) -> Pixels:
    """Slopes averaged on the straight way from a black picture, times the way (Sundararajan et al., 2017, equation 3).

    They add up to the target's value here minus that of a black picture, the better, the more `steps` (midpoint rule).
    """
    x, black = network.input(image[None]), np.float32(network.black)
    shares = ((np.arange(steps, dtype=np.float32) + 0.5) / steps)[:, None, None, None]
    slope = _slope(network, black + shares * (x - black), wanted).mean(0)
    found: Pixels = (x[0, 0].astype(np.float64) - black) * slope
    return found


def occlusion(
    network: Network,
    image: npt.NDArray[np.uint8],
    wanted: npt.NDArray[np.float32],
    side: int = OCCLUDED,
    every: int = 0,
) -> Pixels:
    """By how much the target falls where a black square of `side` is put on a pixel (Zeiler and Fergus, 2014).

    `every`: only every so manieth row and column is tried, and its neighbours are given the same; by default all, or
    every third for networks that take milliseconds for a picture.
    """
    every = every or (1 if network.config.architecture in ("net", "linear", "perceptron") else 3)
    middles, reach = np.arange(every // 2, 28, every), side // 2
    covered = np.repeat(image[None], len(middles) ** 2, 0)
    for place, (row, column) in enumerate((row, column) for row in middles for column in middles):
        covered[place, max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = 0
    whole = (network.logits(image[None]) @ wanted).astype(np.float64)
    fall = (whole - network.logits(covered) @ wanted).reshape(len(middles), len(middles))
    nearest = np.abs(np.arange(28)[:, None] - middles).argmin(1)
    found: Pixels = fall[nearest][:, nearest]
    return found


def grad_cam(network: Network, image: npt.NDArray[np.uint8], wanted: npt.NDArray[np.float32]) -> Pixels:
    """The last convolution's maps (after ReLU), each weighted by its mean slope, negative sums cut (Selvaraju et al., 2017).

    Each of its values stands at the middle of what it can see; pixels between get the nearest one. Raises ValueError
    where the network has no convolution.
    """
    convolutions = [place for place, node in enumerate(network.nodes) if node.op == "convolution" and node.kernel > 1]
    if not convolutions:
        raise ValueError("Grad-CAM needs a convolution, and this network has none")
    node = next(
        node for node in network.nodes[convolutions[-1] :] if node.op == "relu" or node.op == "addition"
    )  # the maps as what follows sees them
    x = network.input(image[None])
    values = activations.forward(network.nodes, network.weights, x)
    slopes = activations.backward(network.nodes, network.weights, values, wanted[None]).gradients[node.name][0]
    maps = values[node.name][0].astype(np.float64)
    heat = np.maximum((slopes.mean((1, 2))[:, None, None] * maps).sum(0), 0)
    side = heat.shape[0]
    centres = 13.5 + (np.arange(side) - (side - 1) / 2) * _pitch(network, node.name)
    nearest = np.abs(np.arange(28)[:, None] - centres).argmin(1)
    found: Pixels = heat[nearest][:, nearest]
    return found


def _pitch(network: Network, name: str) -> int:
    """Pixels of the picture from one value of a node's maps to the next."""
    pitch, at = 1, name
    by_name = {node.name: node for node in network.nodes}
    while at != INPUT:
        pitch *= by_name[at].stride
        at = by_name[at].inputs[0]
    return pitch


def _slope(network: Network, x: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]) -> Pixels:
    """(N, 28, 28): of the target by each pixel, for `x`, (N, 1, 28, 28)."""
    values = activations.forward(network.nodes, network.weights, x)
    seed = np.repeat(wanted[None], len(x), 0)
    gradients = activations.backward(network.nodes, network.weights, values, seed).gradients
    return gradients[INPUT][:, 0].astype(np.float64)

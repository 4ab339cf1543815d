"""Units that have died: whatever the picture, their ReLU gives 0, so no gradient reaches them any more."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.network import Network


@dataclass(frozen=True)
class Dead:
    """How many units of one layer give 0 for every picture."""

    layer: str
    """The layer whose sums the ReLU takes, such as "fc1"."""
    kind: str
    """ "filters" of a convolution, "units" of a linear layer."""
    count: int
    of: int


def dead_units(network: Network, images: npt.NDArray[np.uint8]) -> list[Dead]:
    """For each ReLU, in order: the units or filters that give 0 everywhere for each of `images`, (N, 28, 28) uint8."""
    relus = [node for node in network.nodes if node.op == "relu"]
    values = network.values(images, only=[node.name for node in relus])
    found = []
    for node in relus:
        largest = values[node.name].reshape(len(images), node.shape[0], -1).max(axis=(0, 2))  # (channels,)
        kind = "filters" if len(node.shape) == 3 else "units"
        found.append(Dead(node.inputs[0], kind, int((largest <= 0).sum()), len(largest)))
    return found

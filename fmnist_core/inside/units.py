"""What a channel or a hidden unit looks for, and what the network is without it: measured on many pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside import activations
from fmnist_core.inside.edits import mutable
from fmnist_core.inside.graph import INPUT, Node
from fmnist_core.inside.network import Network
from fmnist_core.inside.stages import Stage, stages


@dataclass(frozen=True, eq=False)
class Excitement:
    """How much each unit of one layer answers to each picture."""

    values: npt.NDArray[np.float32]
    """(N, units): the largest value of its map."""
    places: npt.NDArray[np.uint16]
    """(N, units): where that is: row times width, plus column; 0 for a unit without a map."""

    def strongest(self, unit: int, count: int) -> npt.NDArray[np.int64]:
        """The pictures that excite `unit` most, the strongest first; those that leave it at 0 are not among them."""
        values = self.values[:, unit]
        order = np.argsort(-values, kind="stable")[:count]
        found: npt.NDArray[np.int64] = order[values[order] > 0]
        return found


def excitement(network: Network, images: npt.NDArray[np.uint8]) -> dict[str, Excitement]:
    """Of every layer but the last, by the stage's name, for `images`, (N, 28, 28) uint8."""
    shown = stages(network.nodes)[:-1]
    outputs = [stage.output.name for stage in shown]
    some = activations.together(network.nodes)
    parts: dict[str, list[tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]]] = {s.name: [] for s in shown}
    for begin in range(0, len(images), some):
        values = network.values(images[begin : begin + some], outputs)
        for stage in shown:
            flat = values[stage.output.name].reshape(*values[stage.output.name].shape[:2], -1)
            places = flat.argmax(-1)
            largest = np.take_along_axis(flat, places[..., None], -1)[..., 0]
            parts[stage.name].append((largest, places.astype(np.uint16)))
    return {
        name: Excitement(*(np.concatenate(kind) for kind in zip(*found, strict=True))) for name, found in parts.items()
    }


def window(network: Network, stage: Stage, place: int) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the pixels that a value of `stage` can see, both ends among them; all for a unit."""
    if len(stage.shape) < 3:
        return 0, 27, 0, 27
    row, column = divmod(place, stage.shape[2])
    seen: dict[str, tuple[int, int, int, int]] = {stage.output.name: (row, row, column, column)}
    for node in reversed(network.nodes):
        if node.name not in seen:
            continue
        field = _before(node, seen[node.name])
        for name in node.inputs:
            known = seen.get(name, field)
            seen[name] = (
                min(known[0], field[0]),
                max(known[1], field[1]),
                min(known[2], field[2]),
                max(known[3], field[3]),
            )
    top, bottom, left, right = (min(27, max(0, end)) for end in seen[INPUT])
    return top, bottom, left, right


def _before(node: Node, field: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    top, bottom, left, right = field
    reach, s, p = max(node.kernel, 1) - 1, node.stride, node.padding
    return top * s - p, bottom * s - p + reach, left * s - p, right * s - p + reach


# --- Without it ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Muted:
    """A network measured once for each unit of one layer, with that unit muted."""

    layer: str
    """Module, as the edit `mute` names it."""
    accuracy: npt.NDArray[np.float64]
    """(units,): share of right pictures without it, in [0, 1]."""
    logits: npt.NDArray[np.float32]
    """(units, 10): by how much each logit rises, on average over all pictures, when it is muted."""


def muted(network: Network, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Iterator[Muted]:
    """Layer by layer, the last hidden layer first, because it is the quickest. Whoever iterates decides how long."""
    for node in reversed(mutable(network.nodes)):
        yield _muted(network, node, images, labels)


def _muted(network: Network, node: Node, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Muted:
    """Computes up to the layer once, then the rest for each unit."""
    stage = next(stage for stage in stages(network.nodes) if node in stage.nodes)
    place = network.nodes.index(stage.output)
    rest, last = network.nodes[place + 1 :], network.nodes[-1].name
    needed = {name for other in rest for name in other.inputs} & {INPUT, *(n.name for n in network.nodes[: place + 1])}
    right = np.zeros(stage.units)
    moved = np.zeros((stage.units, network.nodes[-1].shape[0]))
    some = activations.together(network.nodes)
    for begin in range(0, len(images), some):
        x = network.input(images[begin : begin + some])
        part, labels_here = [x, x[..., ::-1]] if network.config.flip_test else [x], labels[begin : begin + some]
        known = [
            activations.forward(network.nodes[: place + 1], network.weights, one, only=sorted(needed)) for one in part
        ]
        whole = [_continue(network, rest, values)[last] for values in known]
        for unit in range(stage.units):
            silent = []
            for values in known:
                changed = values[stage.output.name].copy()
                changed[:, unit] = 0
                silent.append(_continue(network, rest, {**values, stage.output.name: changed})[last])
            logits, before = np.mean(silent, axis=0), np.mean(whole, axis=0)
            right[unit] += (logits.argmax(1) == labels_here).sum()
            moved[unit] += (logits - before).sum(0)
    count = max(1, len(images))
    return Muted(node.module, right / count, (moved / count).astype(np.float32))


def _continue(network: Network, rest: tuple[Node, ...], known: activations.Values) -> activations.Values:
    values = dict(known)
    for node in rest:
        values[node.name] = activations.apply(node, network.weights, [values[name] for name in node.inputs])
    return values

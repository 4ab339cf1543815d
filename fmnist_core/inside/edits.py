"""Surgery: changes to a trained network, or to what it sees, as a list that stands in an address and can be undone.

A list is written `mute:conv1:3;kernel:conv1:0:0:1,0,-1,2,0,-2,1,0,-1;quantise:4`: one edit after the other, applied in
this order. Each names layers by their module, such as "conv1", and counts from 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fmnist_core.inside import activations
from fmnist_core.inside.graph import Graph, Node
from fmnist_core.inside.network import Network

MOST_EDITS = 30
LARGEST = 100.0
"""Largest size of a number that a weight or a bias may be set to."""
KINDS = ("mute", "copy", "kernel", "weight", "bias", "dropout", "cover", "quantise", "prune")
PRESETS = ("sobel", "sobel-across", "blur", "identity", "zero", "noise")
COVERS = ("border", "left", "right", "top", "bottom", "square")
BITS = (8, 4, 2)

Weights = dict[str, npt.NDArray[np.float32]]


class EditError(ValueError):
    """An edit that does not fit the network. The message is meant for the page."""


@dataclass(frozen=True)
class Edit:
    """One line of the list."""

    text: str
    """As it stands in the address, such as "mute:conv1:3"."""
    words: str
    """For people: "conv1: channel 3 muted"."""
    change: Callable[[Patient], Patient]


@dataclass(frozen=True, eq=False)
class Patient:
    """A network with everything that was done to it and to its pictures."""

    network: Network
    covered: npt.NDArray[np.bool_] | None = None
    """(28, 28): pixels that are black in every picture."""
    dropout: float = 0.0
    """Chance that a hidden unit is left out, in testing."""

    def pictures(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """(N, 28, 28) uint8: `images` as the patient gets to see them."""
        return images if self.covered is None else np.where(self.covered, np.uint8(0), images)

    def logits(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """(N, 10): what the patient says of `images`, (N, 28, 28) uint8."""
        seen = self.pictures(images)
        return self.network.logits(seen) if not self.dropout else _with_dropout(self.network, seen, self.dropout)


@dataclass(frozen=True)
class Edits:
    """The list."""

    edits: tuple[Edit, ...] = ()

    @classmethod
    def parse(cls, text: str, network: Network) -> Edits:
        """From an address. Raises EditError with a sentence where an edit does not fit the network."""
        parts = [part for part in text.split(";") if part]
        if len(parts) > MOST_EDITS:
            raise EditError(f"There may be {MOST_EDITS} edits at most, the address has {len(parts)}.")
        return cls(tuple(parse(part, network) for part in parts))

    @property
    def text(self) -> str:
        """For an address; empty where nothing was changed."""
        return ";".join(edit.text for edit in self.edits)

    def patient(self, network: Network) -> Patient:
        """The network after all of them."""
        patient = Patient(network)
        for edit in self.edits:
            patient = edit.change(patient)
        return patient

    def applied(self, network: Network) -> Network:
        """Its weights after all of them; what is done to pictures and hidden units left aside."""
        return self.patient(network).network

    @property
    def changes_weights(self) -> bool:
        """Whether there is anything in it that a branch could be trained on from."""
        return any(not edit.text.startswith(("cover", "dropout")) for edit in self.edits)


def parse(text: str, network: Network) -> Edit:
    """One edit. Raises EditError with a sentence."""
    kind, *rest = text.split(":")
    if kind not in _FORMS:
        raise EditError(f"“{text[:60]}” is no edit: there are {', '.join(_FORMS)}.")
    how, form = _FORMS[kind]
    if len(rest) != form.count(":"):
        raise EditError(f"“{text[:60]}” is no edit: it must read {form}.")
    return how(network, text, rest)


# --- Layers and units ----------------------------------------------------------------------------------------------


def editable(nodes: Graph) -> list[Node]:
    """The convolutions and linear layers, in order."""
    return [node for node in nodes if node.op in ("convolution", "linear")]


def mutable(nodes: Graph) -> list[Node]:
    """Those whose channels or units can be muted: all but the last, whose units are the classes."""
    return editable(nodes)[:-1]


def _layer(network: Network, name: str, among: Sequence[Node] | None = None) -> Node:
    layers = editable(network.nodes) if among is None else among
    found = next((node for node in layers if node.module == name), None)
    if found is None:
        raise EditError(f"There is no such layer: {name[:40]!r} is not {' or '.join(n.module for n in layers[:12])}.")
    return found


def _whole(text: str, low: int, high: int, what: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise EditError(f"The {what} must be a whole number from {low:,} to {high:,}, not “{text[:20]}”.")
    return int(text)


def _number(text: str) -> float:
    if not re.fullmatch(r"-?[0-9]{0,4}\.?[0-9]{0,9}(e-?[0-9]{1,2})?", text) or not re.search("[0-9]", text):
        raise EditError(f"“{text[:20]}” is not a number.")
    number = float(text)
    if not abs(number) <= LARGEST:
        raise EditError(f"A weight must be from -{LARGEST:g} to {LARGEST:g}, not {text[:20]}.")
    return number


def unit_word(node: Node) -> str:
    """What one of its outputs is called."""
    return "channel" if node.op == "convolution" else "unit"


def _set(patient: Patient, tensors: Weights) -> Patient:
    network = patient.network
    return replace(patient, network=Network(network.config, {**network.weights, **tensors}))


def _with(patient: Patient, name: str, change: Callable[[npt.NDArray[np.float32]], None]) -> Patient:
    tensor = patient.network.weights[name].copy()
    change(tensor)
    return _set(patient, {name: tensor})


def _following_norm(nodes: Graph, node: Node) -> Node | None:
    """The normalisation that reads this layer alone: it would add its own shift to a muted channel."""
    return next((other for other in nodes if other.op == "normalisation" and other.inputs == (node.name,)), None)


def _rows(network: Network, node: Node) -> list[str]:
    """The tensors of which row n belongs to output n of a layer, its normalisation's among them."""
    norm = _following_norm(network.nodes, node)
    return [*node.tensors, *(norm.tensors if norm else ())]


# --- The edits -----------------------------------------------------------------------------------------------------


def _mute(network: Network, text: str, rest: list[str]) -> Edit:
    node = _layer(network, rest[0], mutable(network.nodes))
    unit = _whole(rest[1], 0, node.shape[0] - 1, unit_word(node))
    norm = _following_norm(network.nodes, node)
    silent = [f"{(norm or node).module}.weight", f"{(norm or node).module}.bias"]

    def change(patient: Patient) -> Patient:
        for name in silent:
            if name in patient.network.weights:
                patient = _with(patient, name, lambda tensor: tensor.__setitem__(unit, 0))
        return patient

    return Edit(text, f"{node.module}: {unit_word(node)} {unit} muted", change)


def _copy(network: Network, text: str, rest: list[str]) -> Edit:
    node = _layer(network, rest[0], mutable(network.nodes))
    source, to = (_whole(part, 0, node.shape[0] - 1, unit_word(node)) for part in rest[1:])

    def change(patient: Patient) -> Patient:
        for name in _rows(patient.network, node):
            patient = _with(patient, name, lambda tensor: tensor.__setitem__(to, tensor[source]))
        return patient

    return Edit(text, f"{node.module}: {unit_word(node)} {source} copied to {to}", change)


def _kernel(network: Network, text: str, rest: list[str]) -> Edit:
    node = _layer(network, rest[0], [n for n in editable(network.nodes) if n.op == "convolution"])
    shape = network.weights[f"{node.module}.weight"].shape
    output, channel = _whole(rest[1], 0, shape[0] - 1, "filter"), _whole(rest[2], 0, shape[1] - 1, "map")
    if rest[3] in PRESETS:
        if shape[2:] != (3, 3):
            raise EditError(f"{node.module} has kernels of {shape[2]} × {shape[3]}: “{rest[3]}” is for 3 × 3.")
        values = _preset(rest[3], network.weights[f"{node.module}.weight"], output, channel)
        words = f"kernel is {rest[3]}"
    else:
        numbers = [_number(part) for part in rest[3].split(",")]
        if len(numbers) != math.prod(shape[2:]):
            raise EditError(f"A kernel of {node.module} has {math.prod(shape[2:])} numbers, not {len(numbers)}.")
        values, words = np.array(numbers, np.float32).reshape(shape[2:]), "kernel typed in"
    of = f" for map {channel}" if shape[1] > 1 else ""

    def change(patient: Patient) -> Patient:
        return _with(patient, f"{node.module}.weight", lambda tensor: tensor.__setitem__((output, channel), values))

    return Edit(text, f"{node.module}: filter {output}{of}, {words}", change)


def _preset(name: str, kernels: npt.NDArray[np.float32], output: int, channel: int) -> npt.NDArray[np.float32]:
    """3 x 3, as strong as the kernel that it replaces (same Euclidean length), but for zero and identity."""
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32)
    shapes = {
        "sobel": sobel,
        "sobel-across": sobel.T,
        "blur": np.ones((3, 3), np.float32),
        "noise": np.random.default_rng([output, channel]).standard_normal((3, 3)).astype(np.float32),
    }
    if name == "zero":
        return np.zeros((3, 3), np.float32)
    if name == "identity":
        return np.pad(np.ones((1, 1), np.float32), 1)
    length = float(np.linalg.norm(kernels[output, channel])) or 1.0
    scaled: npt.NDArray[np.float32] = (shapes[name] * (length / np.linalg.norm(shapes[name]))).astype(np.float32)
    return scaled


def _weight(network: Network, text: str, rest: list[str]) -> Edit:
    node = _layer(network, rest[0], [n for n in editable(network.nodes) if n.op == "linear"])
    outputs, inputs = network.weights[f"{node.module}.weight"].shape
    to, source = _whole(rest[1], 0, outputs - 1, "unit"), _whole(rest[2], 0, inputs - 1, "input")
    value = _number(rest[3])

    def change(patient: Patient) -> Patient:
        return _with(patient, f"{node.module}.weight", lambda tensor: tensor.__setitem__((to, source), value))

    return Edit(text, f"{node.module}: weight from {source} to {to} is {value:g}", change)


def _bias(network: Network, text: str, rest: list[str]) -> Edit:
    node = _layer(network, rest[0], [n for n in editable(network.nodes) if n.has_bias])
    unit, value = _whole(rest[1], 0, node.shape[0] - 1, unit_word(node)), _number(rest[2])

    def change(patient: Patient) -> Patient:
        return _with(patient, f"{node.module}.bias", lambda tensor: tensor.__setitem__(unit, value))

    return Edit(text, f"{node.module}: bias of {unit_word(node)} {unit} is {value:g}", change)


def _dropout(network: Network, text: str, rest: list[str]) -> Edit:
    if network.config.architecture not in ("net", "perceptron"):
        raise EditError("This network has no dropout to turn on.")
    percent = _whole(rest[0], 1, 95, "percentage")
    return Edit(text, f"dropout of {percent} % in testing", lambda patient: replace(patient, dropout=percent / 100))


def _cover(_network: Network, text: str, rest: list[str]) -> Edit:
    how, size = rest
    if how not in COVERS:
        raise EditError(f"“{how[:20]}” cannot be covered: there are {', '.join(COVERS)}.")
    side = _whole(size, 1, 27, "number of pixels")
    mask = np.zeros((28, 28), bool)
    middle = slice(14 - side // 2, 14 - side // 2 + side)
    places: dict[str, list[tuple[slice, slice]]] = {
        "left": [(slice(None), slice(side))],
        "right": [(slice(None), slice(28 - side, 28))],
        "top": [(slice(side), slice(None))],
        "bottom": [(slice(28 - side, 28), slice(None))],
        "square": [(middle, middle)],
    }
    for place in places.get(how, [*places["left"], *places["right"], *places["top"], *places["bottom"]]):
        mask[place] = True

    def change(patient: Patient) -> Patient:
        return replace(patient, covered=mask if patient.covered is None else mask | patient.covered)

    what = {"border": "a border", "square": "a square in the middle"}.get(how, f"the {how}")
    return Edit(text, f"pictures: {what} of {side} pixels covered", change)


def _quantise(network: Network, text: str, rest: list[str]) -> Edit:
    bits = _whole(rest[0], 2, 8, "number of bits")
    if bits not in BITS:
        raise EditError(f"Weights can have {', '.join(map(str, BITS))} bits, not {bits}.")

    def change(patient: Patient) -> Patient:
        weights = patient.network.weights
        return _set(patient, {name: quantised(weights[name], bits) for name in _matrices(patient.network)})

    return Edit(text, f"all weights in {bits} bits", change)


def quantised(tensor: npt.NDArray[np.float32], bits: int) -> npt.NDArray[np.float32]:
    """Rounded to 2^bits - 1 levels, evenly spaced and symmetric about 0, up to the largest weight of the tensor.

    >>> quantised(np.array([-1.0, 0.3, 0.6, 1.0], np.float32), 2).tolist()
    [-1.0, 0.0, 1.0, 1.0]
    """
    levels = 2 ** (bits - 1) - 1
    largest = float(np.abs(tensor).max(initial=0))
    if not largest:
        return tensor.copy()
    step = np.float32(largest / levels)
    rounded: npt.NDArray[np.float32] = (np.round(tensor / step) * step).astype(np.float32)
    return rounded


def _prune(network: Network, text: str, rest: list[str]) -> Edit:
    percent = _whole(rest[0], 1, 99, "percentage")

    def change(patient: Patient) -> Patient:
        names = _matrices(patient.network)
        sizes = np.concatenate([np.abs(patient.network.weights[name]).ravel() for name in names])
        count = len(sizes) * percent // 100
        limit = np.partition(sizes, count - 1)[count - 1] if count else np.float32(-1)
        kept = {name: patient.network.weights[name] for name in names}
        return _set(patient, {name: np.where(np.abs(w) > limit, w, np.float32(0)) for name, w in kept.items()})

    return Edit(text, f"the smallest {percent} % of all weights set to 0", change)


def _matrices(network: Network) -> list[str]:
    """Kernels and matrices: what quantising and pruning take; biases and normalisation stay."""
    return [f"{node.module}.weight" for node in editable(network.nodes)]


_FORMS: dict[str, tuple[Callable[[Network, str, list[str]], Edit], str]] = {
    "mute": (_mute, "mute:layer:unit"),
    "copy": (_copy, "copy:layer:unit:unit"),
    "kernel": (_kernel, "kernel:layer:filter:map:numbers"),
    "weight": (_weight, "weight:layer:unit:input:number"),
    "bias": (_bias, "bias:layer:unit:number"),
    "dropout": (_dropout, "dropout:percent"),
    "cover": (_cover, "cover:what:pixels"),
    "quantise": (_quantise, "quantise:bits"),
    "prune": (_prune, "prune:percent"),
}


def _with_dropout(network: Network, images: npt.NDArray[np.uint8], chance: float) -> npt.NDArray[np.float32]:
    """Hidden units left out by chance, the others scaled up, as in training: always the same ones for the same picture."""
    hidden = network.nodes[-2].name
    last = network.nodes[-1]
    matrix, bias = (network.weights[name] for name in last.tensors)
    kept = np.random.default_rng(0).random((len(images), network.nodes[-2].shape[0]), np.float32) >= chance
    parts = []
    for begin in range(0, len(images), activations.CHUNK):
        some = slice(begin, begin + activations.CHUNK)
        values = network.values(images[some], [hidden])[hidden]
        parts.append(values * kept[some] / np.float32(1 - chance) @ matrix.T + bias)
    return np.concatenate(parts)

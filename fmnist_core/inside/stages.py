"""A graph as a person looks at it: each operation together with the normalisation and the ReLU that follow it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fmnist_core.inside.graph import INPUT, Graph, Node, tensor_shapes

_NAMES = {
    "convolution": "convolution",
    "normalisation": "norm",
    "relu": "ReLU",
    "addition": "sum",
    "max-pooling": "pool",
    "average-pooling": "mean",
    "linear": "linear",
}


@dataclass(frozen=True)
class Stage:
    """Nodes that are shown as one."""

    name: str
    """Of its first node, such as "conv1": what an address calls it."""
    nodes: Graph
    """In order; a flatten before a linear layer is among them."""
    reads: tuple[str, ...]
    """Names of the stages that it reads, or `INPUT`."""

    @property
    def output(self) -> Node:
        """The node whose values are shown."""
        return self.nodes[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its values for one picture: (channels, height, width) or (units,)."""
        return self.output.shape

    @property
    def units(self) -> int:
        """Channels, or units: what can be looked at and muted."""
        return self.shape[0]

    @property
    def label(self) -> str:
        """For people, such as "conv1 + ReLU"."""
        parts = [_NAMES[node.op] for node in self.nodes if node.op != "flatten"]
        first = self.name if any(node.module for node in self.nodes) else parts[0]
        return " + ".join([first, *parts[1:]])


def stages(nodes: Graph) -> tuple[Stage, ...]:
    """All stages, in the nodes' order; each node is in exactly one.

    >>> from fmnist_core.inside.graph import graph
    >>> from fmnist_core.settings.config import TrainingConfig
    >>> [stage.label for stage in stages(graph(TrainingConfig()))]
    ['conv1 + ReLU', 'pool', 'conv2 + ReLU', 'pool', 'fc1 + ReLU', 'fc2']
    """
    readers: dict[str, int] = {}
    for node in nodes:
        for name in node.inputs:
            readers[name] = readers.get(name, 0) + 1
    groups: list[list[Node]] = []
    for node in nodes:
        before = groups[-1][-1] if groups else None
        follows = before is not None and node.inputs == (before.name,) and readers[before.name] == 1
        joins = before is not None and (
            (node.op in ("normalisation", "relu") and before.op not in ("max-pooling", "addition"))
            or before.op == "flatten"
        )
        if follows and joins:
            groups[-1].append(node)
        else:
            groups.append([node])
    stage_of = {INPUT: INPUT} | {node.name: _name(group) for group in groups for node in group}
    return tuple(
        Stage(_name(group), tuple(group), tuple(stage_of[name] for name in group[0].inputs)) for group in groups
    )


def _name(group: list[Node]) -> str:
    return next((node.name for node in group if node.op != "flatten"), group[0].name)


def to_json(nodes: Graph) -> dict[str, object]:
    """Graph and stages for the browser, and the order in which it gets the tensors."""
    return {
        "nodes": [
            {
                "name": node.name,
                "op": node.op,
                "inputs": node.inputs,
                "shape": node.shape,
                "module": node.module,
                "kernel": node.kernel,
                "stride": node.stride,
                "padding": node.padding,
                "bias": node.has_bias,
            }
            for node in nodes
        ],
        "stages": [
            {
                "name": stage.name,
                "label": stage.label,
                "nodes": [node.name for node in stage.nodes],
                "reads": stage.reads,
                "shape": stage.shape,
                "parameters": sum(math.prod(shape) for shape in tensor_shapes_of(nodes, stage)),
            }
            for stage in stages(nodes)
        ],
    }


def tensor_shapes_of(nodes: Graph, stage: Stage) -> list[tuple[int, ...]]:
    """Shapes of the tensors that training changes in one stage; running statistics are not among them."""
    shapes = tensor_shapes(nodes)
    names = [name for node in stage.nodes for name in node.tensors if ".running_" not in name]
    return [shapes[name] for name in names]

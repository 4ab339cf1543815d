"""What is known of the cluster that runs train on, and of where each of them does: read from files, without Ray.

    RUNS/.cluster.json     written by `service/cluster/watch.py` every few seconds: state, nodes
    RUN/node.json          written by the process that follows a run on a node: what it waits for, where it trains

Reading is total: what is missing, old or damaged gives nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from fmnist_core.files import read_json, to_json, write_whole
from fmnist_core.runs import environment

FILE, PLACE = ".cluster.json", "node.json"
STALE_AFTER = 45.0
"""Seconds after which what was said of the cluster no longer counts: connecting to one may take half a minute."""
MOST_NODES = 1_000

Phase = Literal["connecting", "waiting", "training", "given back"]
PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that can train."""

    id: str
    address: str
    name: str
    cpus: float
    free_cpus: float
    gpus: float
    free_gpus: float


@dataclass(frozen=True)
class Cluster:
    """As it was heard of last."""

    address: str
    trouble: str
    """Why nothing can train there: a sentence; empty where something can."""
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Place:
    """Where a run is on the cluster."""

    phase: Phase
    node: str = ""
    """The node's address."""
    words: str = ""
    """What else is to be said: a sentence."""


def cluster(runs: Path) -> Cluster | None:
    """What is known of it; None where runs train on this machine, and while nothing is known."""
    try:
        address = environment.cluster()
    except ValueError:
        return None
    said = _read(runs / FILE)
    nodes = said.get("nodes")
    at, trouble = said.get("at"), said.get("trouble", "")
    if (
        address is None
        or said.get("address") != address
        or not isinstance(at, int | float)
        or not isinstance(nodes, list)
    ):
        return None
    if not 0 <= time.time() - at < STALE_AFTER or not isinstance(trouble, str):
        return None
    found = (_node(node) for node in nodes[:MOST_NODES])
    return Cluster(address, trouble, tuple(filter(None, found)))


def write(runs: Path, found: Cluster) -> None:
    """Raises OSError."""
    write_whole(runs / FILE, to_json(asdict(found) | {"at": time.time()}).encode(), durable=False)


def place(run_folder: Path) -> Place | None:
    """Where the run is on a cluster; None where it is on none, or where nothing is known."""
    said = _read(run_folder / PLACE)
    phase, node, words = said.get("phase"), said.get("node", ""), said.get("words", "")
    for known in PHASES:
        if phase == known and isinstance(node, str) and isinstance(words, str):
            return Place(known, node[:100], words[:400])
    return None


def write_place(run_folder: Path, found: Place | None) -> None:
    """None takes it away. Raises OSError."""
    if found:
        write_whole(run_folder / PLACE, to_json(asdict(found)).encode(), durable=False)
    else:
        (run_folder / PLACE).unlink(missing_ok=True)


def _read(path: Path) -> Mapping[str, object]:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _node(said: object) -> Node | None:
    if not isinstance(said, dict):
        return None
    words = [said.get(name) for name in ("id", "address", "name")]
    numbers = [said.get(name) for name in ("cpus", "free_cpus", "gpus", "free_gpus")]
    if not all(isinstance(word, str) for word in words):
        return None
    if not all(isinstance(number, int | float) and 0 <= number < 1e6 for number in numbers):
        return None
    identity, address, name = (str(word)[:100] for word in words)
    return Node(identity, address, name, *(float(number) for number in numbers if isinstance(number, int | float)))

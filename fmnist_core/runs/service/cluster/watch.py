"""Looks at the cluster and writes down what there is: nodes, what is free, or why nothing can train there.

    python -m fmnist_core.runs.service.cluster.watch RUNS_FOLDER

Ends with standard input, which is the dispatcher's. Ray may end it at any time: then it is started again.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from pathlib import Path

from fmnist_core.files import open_log
from fmnist_core.runs import environment
from fmnist_core.runs.cluster import Cluster, Node, write
from fmnist_core.runs.service.cluster.connection import AWAY, NotConnected, connect, is_there

LOOKS_EVERY = 2.0
NO_CPUS = (
    "The cluster at {address} has no node that can train: run `ray start --address={address}` on another machine. Runs wait, and "
    "go on by themselves."
)

log = logging.getLogger("cluster")


def watch(runs: Path, address: str) -> int:
    """Until the dispatcher has ended, or the cluster is gone. Returns the exit status.

    With a number of slots asked for, runs are given out also to a cluster that has no node yet: Ray's autoscaler starts them.
    """

    def say(trouble: str, nodes: tuple[Node, ...] = ()) -> None:
        write(runs, Cluster(address, trouble, nodes))

    try:
        connect(address, say)
    except NotConnected as error:
        log.warning("%s", error, exc_info=error.__cause__)
        say(str(error))
        return 75
    while is_there(address):
        nodes = _nodes()
        can_train = environment.slots() or any(node.cpus >= environment.threads() for node in nodes)
        say("" if can_train else NO_CPUS.format(address=address), nodes)
        if select.select([0], [], [], LOOKS_EVERY)[0] and not os.read(0, 64):
            return 0
    say(AWAY.format(address=address))
    return 75


def _nodes() -> tuple[Node, ...]:
    """The machines that are there and can compute."""
    import ray
    from ray._private.state import available_resources_per_node

    free = available_resources_per_node()
    found = []
    for node in ray.nodes():
        total, left = node["Resources"], free.get(node["NodeID"], {})
        if node["Alive"] and (total.get("CPU") or total.get("GPU")):
            found.append(
                Node(
                    node["NodeID"],
                    node["NodeManagerAddress"],
                    node["NodeManagerHostname"],
                    total.get("CPU", 0.0),
                    left.get("CPU", 0.0),
                    total.get("GPU", 0.0),
                    left.get("GPU", 0.0),
                )
            )
    return tuple(sorted(found, key=lambda node: (node.address, node.id)))


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    runs = Path(arguments[0])
    output = open_log(runs / "cluster.log")
    os.ftruncate(output, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    address = environment.cluster()
    return watch(runs, address) if address else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

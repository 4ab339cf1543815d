"""Training at the tutorial's settings: our images per second against the notebook's, and that both compute the same.

python -m benchmarks.epoch [--rounds 5]

Each side is a process of its own and they take turns, an epoch each; ours in the environment of a worker.
"""

from __future__ import annotations

import argparse
import statistics
import time
from itertools import islice

import torch

from benchmarks import notebook, turns
from fmnist_core.dataset import epoch_order
from fmnist_core.events import Losses
from fmnist_core.network import Net
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs.executor import MEMORY
from fmnist_core.training import TrainingData, TrainingState, train

STEPS = {20: 3000, 256: 235}
"""Batch size, and the steps of one turn: a whole epoch."""
WANTED = {20: 1.8, 256: 3.5}
COMPARED = 100
"""Steps whose losses are compared, at batch 20."""


def our_turn(batch_size: int, data: TrainingData) -> float:
    """Images per second of `train`, from its first step on."""
    state = TrainingState.new(TrainingConfig(batch_size=batch_size, device="cpu"))
    events = train(state, data)
    next(events)  # Started
    next(events)  # Measured, before training
    began = time.perf_counter()
    while state.step < STEPS[batch_size]:
        next(events)
    return state.step * batch_size / (time.perf_counter() - began)


def notebook_turn(batch_size: int) -> float:
    """Images per second of the notebook's loop."""
    net, loader = Net(), notebook.loader(train=True, batch_size=batch_size)
    began = time.perf_counter()
    notebook.train(net, islice(loader, STEPS[batch_size]))
    return STEPS[batch_size] * batch_size / (time.perf_counter() - began)


def largest_difference(data: TrainingData) -> float:
    """Between our losses and the notebook's, relative, where both see the same images in the same order.

    Without dropout: the notebook's loader draws from the generator that dropout draws from.
    """
    config = TrainingConfig(dropout=0.0, device="cpu")
    ours: list[float] = []
    for event in train(TrainingState.new(config), data):
        ours += event.losses if isinstance(event, Losses) else ()
        if len(ours) >= COMPARED:
            break
    torch.manual_seed(config.seed)
    net = Net(dropout=0.0)
    loader = notebook.loader(train=True, batch_size=20, order=epoch_order(60_000, config.seed, 0).tolist())
    theirs = notebook.train(net, islice(loader, COMPARED))
    return max(abs(a - b) / b for a, b in zip(ours, theirs, strict=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", choices=("notebook", "ours"), help="be one side of the comparison")
    parser.add_argument("--batch-size", type=int, choices=tuple(STEPS))
    arguments = parser.parse_args()
    if arguments.peer == "notebook":
        turns.serve(lambda: notebook_turn(arguments.batch_size))
        return
    data = TrainingData.load(torch.device("cpu"))
    if arguments.peer == "ours":
        turns.serve(lambda: our_turn(arguments.batch_size, data))
        return

    rows, result = [], {}
    for size in STEPS:
        command = ("benchmarks.epoch", "--batch-size", str(size), "--peer")
        found = turns.take_turns(
            {"notebook": ((*command, "notebook"), {}), "ours": ((*command, "ours"), MEMORY)}, arguments.rounds
        )
        theirs, ours = (statistics.median(found[side]) for side in ("notebook", "ours"))
        ratio = turns.ratio(found["ours"], found["notebook"])
        rows += [
            (f"batch {size}, the notebook's loop, images per second", f"{theirs:,.0f}", ""),
            (f"batch {size}, ours, images per second", f"{ours:,.0f}", ""),
            (f"batch {size}, ratio", f"{ratio:.2f}", f"{WANTED[size]} at least"),
        ]
        result[f"batch_{size}"] = {"notebook": round(theirs), "ours": round(ours), "ratio": round(ratio, 2)}
    difference = largest_difference(data)
    rows.append((f"largest relative difference of {COMPARED} losses", f"{difference:.1e}", "2e-04 at most"))
    turns.report("epoch", rows, {"threads": torch.get_num_threads(), **result, "loss_difference": difference})


if __name__ == "__main__":
    main()

"""A race of 16 copies of the tutorial's network, against 16 runs one after the other, at batch size 20.

python -m benchmarks.race [--rounds 5]

Four peers, each a process of its own with a worker's memory, which take turns: a single run and a race, each as PyTorch
computes it (the race as one batched model) and in the compiled engine (the copies on one thread each). What counts is the
time of one step of all 16 copies, as a share of 16 steps of a single run: of PyTorch's, and of the compiled one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from functools import partial

import torch

from benchmarks import turns
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.training.compiled import engine
from fmnist_core.training.events import Losses
from fmnist_core.training.loop import train
from fmnist_core.training.replicas import BatchedCopies, CompiledCopies, Copies
from fmnist_core.training.state import TrainingData, TrainingState

COPIES = 16
CONFIG = TrainingConfig(device="cpu", learning_rate=0.01)
SECONDS = 0.5 if turns.IS_QUICK else 2.0
"""Of a turn, at least."""
PEERS = ("single torch", "single compiled", "race torch", "race compiled")
WANTED = 0.25


def single_turn(compiled: bool, data: TrainingData) -> float:
    """Seconds of a step of `train`."""
    state = TrainingState.new(CONFIG)
    if not compiled:
        state.compiled = None
    for event in train(state, data):
        if isinstance(event, Losses) and event.seconds > SECONDS:
            break
    return state.seconds / state.step


def race_turn(compiled: bool, data: TrainingData) -> float:
    """Seconds of a step of all copies."""
    job = Race(copies=COPIES)
    found = engine.find() if compiled else None
    copies: Copies = CompiledCopies(CONFIG, job, found) if found else BatchedCopies(CONFIG, job)
    steps, began, passed = 0, time.perf_counter(), 0.0
    for losses in copies.train(data, 0):
        steps, passed = steps + len(losses), time.perf_counter() - began
        if passed > SECONDS:
            break
    return passed / steps


def peer(name: str) -> turns.Turn:
    """One of the four."""
    kind, way = name.split()
    turn = single_turn if kind == "single" else race_turn
    return partial(turn, way == "compiled", TrainingData.load(torch.device("cpu")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    there = [peer for peer in PEERS if engine.prepare() or "torch" in peer]
    found = turns.take_turns({name: (partial(peer, name), MEMORY) for name in there}, arguments.rounds)
    rows = [(f"{peer}: one step", f"{1000 * statistics.median(found[peer]):.2f} ms", "") for peer in there]
    result: dict[str, object] = {peer: round(1000 * statistics.median(found[peer]), 3) for peer in there}
    for race in (peer for peer in there if peer.startswith("race")):
        for single in (peer for peer in there if peer.startswith("single")):
            share = turns.ratio(found[race], [COPIES * seconds for seconds in found[single]])
            wanted = f"{WANTED} at most" if single == "single torch" else ""
            rows.append((f"{race} of {COPIES}, share of {COPIES} x {single}", f"{share:.3f}", wanted))
            result[f"{race} / {single}"] = round(share, 3)
    turns.report("race", rows, {"copies": COPIES, "threads": os.cpu_count(), **result})


if __name__ == "__main__":
    main()

"""Training at the tutorial's settings: images per second of four ways, and that all compute the same.

python -m benchmarks.epoch [--rounds 5]

The notebook's loop, the same with a `DataLoader` over tensors, ours with PyTorch, ours compiled; and a product of matrices,
which shows what the processor can do. Each is a process of its own and they take turns, a sixth of an epoch or some seconds
each; ours with the memory of a worker.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from functools import partial
from itertools import islice

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import notebook, turns
from fmnist_core.data.dataset import epoch_order
from fmnist_core.evaluation.evaluate import as_input
from fmnist_core.inside.fresh import layers
from fmnist_core.networks.net import Net
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import engine
from fmnist_core.training.events import Losses
from fmnist_core.training.loop import train
from fmnist_core.training.state import TrainingData, TrainingState

IMAGES = 4_000 if turns.IS_QUICK else 10_000
"""Of one turn, where its time is enough: a sixth of an epoch."""
SIZES = {20: 4.0, 64: None, 512: None}
"""Batch sizes, and how many times the notebook's speed is wanted of the compiled step."""
QUICK_SIZES = (20,)
PEERS = {"notebook": {}, "tensors": {}, "torch": MEMORY | {"FMNIST_COMPILED": "0"}, "compiled": MEMORY, "product": {}}
COMPARED = 100
"""Steps whose losses are compared, at batch 20."""

FORWARD = sum(layer.multiplications for layer in layers(TrainingConfig()))
WRITTEN = 2 * (3 * FORWARD - 26 * 26 * 90)
"""Floating-point operations for one image as the network is written: forward, and twice as much backward, but for the
gradient of the pixels, which nobody needs."""
NEEDED = 2 * (24 * 24 * 90 + 100 * 20 * 90 + 25_500) + 2 * (144 * 90 + 2 * 25 * 20 * 90 + 2 * 25_500)
"""Those that a result depends on, which the compiled step computes at most: pooling reads 10x10 of the second
convolution's outputs, and hands each gradient to one of four."""


def our_turn(batch_size: int, data: TrainingData, kind: str, steps: int) -> turns.Turn:
    """Images per second of training (its measurements are not part of it), in `steps` steps or one turn's time."""
    state = TrainingState.new(TrainingConfig(batch_size=batch_size, epochs=200, device="cpu"))
    if state.engine != kind:
        raise RuntimeError(f"wanted the engine {kind}, found {state.engine}")
    events = train(state, data)

    def turn() -> float:
        step, seconds = state.step, state.seconds
        while state.step < step + steps and state.seconds < seconds + turns.TURN:
            next(events)
        return (state.step - step) * batch_size / (state.seconds - seconds)

    return turn


def notebook_turn(batch_size: int, batches: notebook.Batches, steps: int) -> turns.Turn:
    """Images per second of the notebook's loop over `batches`; `steps` as in `our_turn`."""

    def turn() -> float:
        net, began = Net(), time.perf_counter()
        taken = len(notebook.train(net, turns.for_a_while(iter(batches), steps)))
        return taken * batch_size / (time.perf_counter() - began)

    return turn


def tensors(data: TrainingData, batch_size: int) -> notebook.Batches:
    """A `DataLoader` that need not decode: every picture is a tensor already."""
    return DataLoader(TensorDataset(as_input(data.images), data.labels), batch_size=batch_size, shuffle=True)


def product_turn(size: int = 1024, count: int = 12) -> float:
    """Floating-point operations per second of a product of float32 matrices, the best of several."""
    a, b, best = torch.rand(size, size), torch.rand(size, size), 0.0
    for _number in range(count):
        began = time.perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best


def largest_difference(data: TrainingData, kind: str) -> float:
    """Between our losses and the notebook's, relative, where both see the same images in the same order.

    Without dropout: the notebook's loader draws from the generator that dropout draws from.
    """
    config = TrainingConfig(dropout=0.0, device="cpu", step_limit=COMPARED)
    state = TrainingState.new(config)
    if kind == "torch":
        state.compiled = None
    ours = [loss for event in train(state, data) if isinstance(event, Losses) for loss in event.losses]
    torch.manual_seed(config.seed)
    net = Net(dropout=0.0)
    loader = notebook.loader(train=True, batch_size=20, order=epoch_order(60_000, config.seed, 0).tolist())
    theirs = notebook.train(net, islice(loader, COMPARED))
    return max(abs(a - b) / b for a, b in zip(ours, theirs, strict=True))


def import_seconds(module: str) -> float:
    """A Python that imports `module`, from start to end; the median of three, of one where it has to be quick."""
    times = []
    for _number in range(1 if turns.IS_QUICK else 3):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", f"import {module}"], cwd=turns.ROOT, check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def peer(name: str, batch_size: int) -> turns.Turn:
    """One side of the comparison."""
    data, steps = TrainingData.load(torch.device("cpu")), -(-IMAGES // batch_size)
    match name:
        case "notebook":
            return notebook_turn(batch_size, notebook.loader(train=True, batch_size=batch_size), steps)
        case "tensors":
            return notebook_turn(batch_size, tensors(data, batch_size), steps)
        case "product":
            return product_turn
        case _:
            return our_turn(batch_size, data, name, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--batch-sizes",
        type=int,
        nargs="+",
        choices=tuple(SIZES),
        default=QUICK_SIZES if turns.IS_QUICK else tuple(SIZES),
    )
    arguments = parser.parse_args()
    is_compiled = engine.prepare() is not None
    peers = {name: environment for name, environment in PEERS.items() if is_compiled or name != "compiled"}
    rows: list[tuple[str, str, str]] = []
    result: dict[str, object] = {}
    turns.so_far("epoch", rows, result)
    for number, size in enumerate(arguments.batch_sizes, 1):
        memory: dict[str, float] = {}
        sides = {name: (partial(peer, name, size), environment) for name, environment in peers.items()}
        found = turns.take_turns(sides, arguments.rounds, memory, number / len(arguments.batch_sizes))
        peak = statistics.median(found.pop("product"))
        rows.append((f"batch {size}: a product of matrices, GFLOP/s", f"{peak / 1e9:.0f}", ""))
        of_this_size: dict[str, object] = {"peak_gflops": round(peak / 1e9, 1)}
        for name, speeds in found.items():
            speed, ratio = statistics.median(speeds), turns.ratio(speeds, found["notebook"])
            share = speed * (NEEDED if name == "compiled" else WRITTEN) / peak
            wanted = f"{SIZES[size]:g} at least" if name == "compiled" and SIZES[size] else ""
            label = f"batch {size}, {name}: images/s, share of the peak, MB"
            rows.append((label, f"{speed:,.0f}  {share:4.0%}  {memory[name]:,.0f}", ""))
            if name != "notebook":
                rows.append((f"batch {size}, {name}: times the notebook's", f"{ratio:.2f}", wanted))
            of_this_size[name] = {
                "images_per_second": round(speed),
                "lowest": round(min(speeds)),
                "highest": round(max(speeds)),
                "ratio": round(ratio, 2),
                "share_of_peak": round(share, 3),
                "memory_mb": round(memory[name]),
            }
        result[f"batch_{size}"] = of_this_size
    data = TrainingData.load(torch.device("cpu"))
    for kind in ("torch", "compiled")[: 1 + is_compiled]:
        difference = largest_difference(data, kind)
        rows.append((f"{kind}: largest relative difference of {COMPARED} losses", f"{difference:.1e}", "2e-04 at most"))
        result[f"loss_difference_{kind}"] = difference
    for module in ("fmnist_core.runs.client", "fmnist_core.training.loop"):
        seconds = import_seconds(module)
        rows.append((f"import {module}, s", f"{seconds:.2f}", ""))
        result[f"import_{module}_s"] = round(seconds, 2)
    turns.report("epoch", rows, {"threads": torch.get_num_threads(), **result})


if __name__ == "__main__":
    main()

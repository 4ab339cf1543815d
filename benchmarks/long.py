"""Whether a long training slows down: what happens to the recipe "best" after some 16 epochs, in one minute.

python -m benchmarks.long [--steps 200]

Momentum of weights that get no gradient any more shrinks by a twentieth a step, and after some 1,700 steps is below float32's
normal range. Here a third of the filters dies after a fifth of the steps, and their momentum is put to where it would be after 1,600 more:
the last steps then are those of a run as long as "best". Twice, in a process each: with such numbers made zero, as every run has
it, and with them computed. Steps per second of processor time on one thread, so that other programs hardly disturb it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from benchmarks import turns
from fmnist_core.networks.architectures import Convolution
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.training.optimizers import Muon
from fmnist_core.training.state import TrainingState

STEPS, BATCH = (60, 16) if turns.IS_QUICK else (150, 64)
"""Steps in all; images of a step: fewer than "best" has, because the optimizer is what slows down."""
NEARLY = 2e-37
"""What is left of their momentum: products with it are below `SMALLEST`, and after 55 steps more it is so itself."""
SMALLEST = torch.finfo(torch.float32).smallest_normal
WANTED = 0.8


def steps_taken(flushed: bool, steps: int) -> tuple[list[float], float]:
    """Processor seconds of each step, and the share of momentum below the normal range at the end."""
    torch.set_num_threads(1)
    state = TrainingState.new(replace(RECIPES["best"].config, device="cpu", batch_size=BATCH))
    net, optimizer, seconds = state.net.train(), state.optimizer, []
    assert isinstance(optimizer, Muon)
    images, labels = torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    torch.set_flush_denormal(flushed)
    for step in range(steps):
        if step == steps // 5:
            kill_a_third(net, optimizer)
        began = time.thread_time()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
        seconds.append(time.thread_time() - began)
    momenta = [
        optimizer.state[p]["momentum_buffer"] for p in net.parameters() if "momentum_buffer" in optimizer.state[p]
    ]
    torch.set_flush_denormal(False)  # so that they can be counted
    small = sum(int(((m != 0) & (m.abs() < SMALLEST)).sum()) for m in momenta)
    return seconds, small / sum(m.numel() for m in momenta)


@torch.no_grad()
def kill_a_third(net: torch.nn.Module, optimizer: Muon) -> None:
    """Filters whose ReLU gives nothing get no gradient: their momentum is all that still moves."""
    for layer in net.modules():
        if isinstance(layer, Convolution):
            kernel, norm = layer[0].weight, layer[1]
            dead = slice(0, len(kernel) // 3)
            norm.weight[dead], norm.bias[dead] = 0, -1
            momentum = optimizer.state[kernel]["momentum_buffer"]
            momentum[dead] = NEARLY * torch.randn_like(momentum[dead])


def late_to_early(seconds: Sequence[float]) -> float:
    """Speed of the last fifth of the steps by that of the first."""
    fifth = len(seconds) // 5
    return statistics.median(seconds[:fifth]) / statistics.median(seconds[-fifth:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS)
    arguments = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    result: dict[str, object] = {"steps": arguments.steps, "batch": BATCH}
    turns.so_far("long", rows, result)
    for side, words in (("flushed", "numbers below 1e-38 made zero"), ("computed", "computed")):
        seconds, small = turns.apart(steps_taken, side == "flushed", arguments.steps, environment=MEMORY)
        ratio, last = late_to_early(seconds), 1000 * statistics.median(seconds[-len(seconds) // 5 :])
        wanted = f"{WANTED:g} at least" if side == "flushed" else ""
        rows += [
            (f"{words}: a step at the end, ms of one processor", f"{last:.0f}", ""),
            (f"{words}: steps per second at the end by those at the beginning", f"{ratio:.2f}", wanted),
            (f"{words}: momentum below 1e-38 at the end", f"{small:.0%}", ""),
        ]
        result[side] = {"late_to_early": round(ratio, 3), "last_ms": round(last, 1), "small": round(small, 3)}
    turns.report("long", rows, result)


if __name__ == "__main__":
    main()

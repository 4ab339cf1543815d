"""Whether a long training slows down: what happens to the recipe "best" after some 16 epochs, in one minute.

python -m benchmarks.long [--pairs 20]

Momentum of weights that get no gradient any more shrinks by a twentieth a step, and after some 1,700 steps is below float32's
normal range. So two trainings take turns, step by step, one as it begins, and one in which a third of the filters has died and their
momentum is where it would be by then. What else the machine does, and how warm it is, concerns both alike: a ratio is taken within a
pair of steps, and the median counts. Twice, in a process each: with such numbers made zero, as every run has it, and with them
computed. Seconds are those of a processor, on one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from benchmarks import turns
from fmnist_core.networks.architectures import Convolution
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.training.optimizers import Muon
from fmnist_core.training.state import TrainingState

PAIRS, BATCH = (10, 16) if turns.IS_QUICK else (20, 64)
"""Steps of each; images of a step: fewer than "best" has, because the optimizer is what slows down."""
WARM = 3
"""Pairs before those that count."""
SMALLEST = torch.finfo(torch.float32).smallest_normal
WANTED = 0.8


def steps_taken(flushed: bool, pairs: int) -> tuple[list[float], list[float], float]:
    """Processor seconds of each step at the beginning, and of each late one; the share of late momentum below the normal range."""
    torch.set_num_threads(1)
    early, late = training(), training()
    torch.set_flush_denormal(flushed)  # a state that is made has them made zero
    images, labels = torch.rand(BATCH, 1, 28, 28), torch.randint(10, (BATCH,))
    seconds: tuple[list[float], list[float]] = ([], [])
    for pair in range(WARM + pairs):
        if pair == 1:  # there is momentum
            kill_a_third(*late)
        for (net, optimizer), spent in zip((early, late), seconds, strict=True):
            began = time.thread_time()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
            spent.append(time.thread_time() - began)
    momenta = [state["momentum_buffer"] for state in late[1].state.values() if "momentum_buffer" in state]
    torch.set_flush_denormal(False)  # so that they can be counted
    small = sum(int(((m != 0) & (m.abs() < SMALLEST)).sum()) for m in momenta)
    return seconds[0][WARM:], seconds[1][WARM:], small / sum(m.numel() for m in momenta)


def training() -> tuple[torch.nn.Module, Muon]:
    """Network and optimizer of "best"."""
    state = TrainingState.new(replace(RECIPES["best"].config, device="cpu", batch_size=BATCH))
    assert isinstance(state.optimizer, Muon)
    return state.net.train(), state.optimizer


@torch.no_grad()
def kill_a_third(net: torch.nn.Module, optimizer: Muon) -> None:
    """Filters whose ReLU gives nothing get no gradient: their momentum is all that still moves, and is as small as after 1,700 steps."""
    for layer in net.modules():
        if isinstance(layer, Convolution):
            kernel, norm = layer[0].weight, layer[1]
            dead = slice(0, len(kernel) // 3)
            norm.weight[dead], norm.bias[dead] = 0, -1
            momentum = optimizer.state[kernel]["momentum_buffer"]
            momentum[dead] = SMALLEST * torch.randn_like(momentum[dead])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    arguments = parser.parse_args()
    rows: list[tuple[str, str, str]] = []
    result: dict[str, object] = {"pairs": arguments.pairs, "batch": BATCH}
    turns.so_far("long", rows, result)
    for side, words in (("flushed", "numbers below 1e-38 made zero"), ("computed", "computed")):
        early, late, small = turns.apart(steps_taken, side == "flushed", arguments.pairs, environment=MEMORY)
        ratio, last = turns.ratio(early, late), 1000 * statistics.median(late)
        wanted = f"{WANTED:g} at least" if side == "flushed" else ""
        rows += [
            (f"{words}: a late step, ms of one processor", f"{last:.0f}", ""),
            (f"{words}: late steps per second by those at the beginning", f"{ratio:.2f}", wanted),
            (f"{words}: late momentum below 1e-38", f"{small:.0%}", ""),
        ]
        result[side] = {"late_to_early": round(ratio, 3), "last_ms": round(last, 1), "small": round(small, 3)}
    turns.report("long", rows, result)


if __name__ == "__main__":
    main()

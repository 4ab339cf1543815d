"""The recipes: test accuracy and training time over several seeds, by the same `train` as everywhere.

python -m benchmarks.recipes                                   all that take minutes, 5 seeds
python -m benchmarks.recipes --recipes fast minute --seeds 3   these only
python -m benchmarks.recipes --recipes fast --held-out 10000   on training images held out: to choose settings by

Each run is a process of its own, in the environment of a worker. The test images are looked at for the report alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from dataclasses import replace

from benchmarks import turns
from fmnist_core.evaluation import references
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.training.events import Measured

QUICK = [name for name, recipe in RECIPES.items() if recipe.minutes <= 3]


def run_once(name: str, seed: int, held_out: int) -> dict[str, float | str]:
    """One run to its end: accuracy in percent, training seconds, and what a person waits with measurements."""
    import torch

    from fmnist_core.training.loop import train
    from fmnist_core.training.state import TrainingData, TrainingState

    config = replace(RECIPES[name].config, seed=seed, validation=held_out)
    marks: list[tuple[int, float]] = []  # steps and seconds at the ends of epochs
    data, began, last = TrainingData.load(torch.device("cpu")), time.perf_counter(), None
    for event in train(state := TrainingState.new(config), data):
        if isinstance(event, Measured):
            last = event
            marks.append((event.step, event.seconds))
    if not isinstance(event, Measured) or last is None:
        raise RuntimeError(f"{name} with seed {seed} did not come to its end: {event}")
    score = last.validation if held_out else last.test
    assert score
    images = state.step * config.batch_size / state.seconds
    waited = time.perf_counter() - began
    return {
        "accuracy": 100 * score.accuracy,
        "seconds": state.seconds,
        "waited": waited,
        "images_per_second": images,
        "late_to_early": late_to_early(marks),
        "engine": state.engine,
    }


def late_to_early(marks: list[tuple[int, float]]) -> float:
    """Steps per second in the last fifth of the run by those in its first fifth; 1 where there are too few epochs."""
    fifth = len(marks) // 5
    if not fifth:
        return 1.0
    speeds = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in ((marks[0], marks[fifth]), (marks[-1 - fifth], marks[-1]))]
    return speeds[1] / speeds[0]


def in_a_process(name: str, seed: int, held_out: int) -> dict[str, float | str]:
    """`run_once` where no cache and no number of threads is left from another run."""
    return turns.apart(run_once, name, seed, held_out, environment=MEMORY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", choices=tuple(RECIPES), default=QUICK)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on")
    parser.add_argument("--held-out", type=int, default=0, help="measure on so many training images, held out")
    arguments = parser.parse_args()
    from fmnist_core.training.compiled import engine

    engine.prepare()  # where there is a C compiler: once, and not in anybody's training time
    result: dict[str, object] = {}
    print(
        f"{'recipe':<12}{'accuracy':>10}{'+-':>7}{'lowest':>9}{'seconds':>9}{'images/s':>10}{'seeds':>7}{'published':>11}"
    )
    for name in arguments.recipes:
        runs = [in_a_process(name, seed, arguments.held_out) for seed in range(arguments.seeds)]
        accuracies = [run["accuracy"] for run in runs]
        mean, spread = statistics.mean(accuracies), statistics.stdev(accuracies) if len(runs) > 1 else 0.0
        seconds, speed = (statistics.median(run[key] for run in runs) for key in ("seconds", "images_per_second"))
        published = references.named(RECIPES[name].published) if RECIPES[name].published else None
        print(
            f"{name:<12}{mean:>8.2f} %{spread:>7.2f}{min(accuracies):>7.2f} %{seconds:>9.2f}{speed:>10,.0f}{len(runs):>7}"
            f"{f'{100 * published.accuracy:.1f} %' if published else '':>11}",
            flush=True,
        )
        result[name] = {
            "accuracy": round(mean, 2),
            "deviation": round(spread, 3),
            "accuracies": [round(accuracy, 2) for accuracy in accuracies],
            "seconds": round(seconds, 2),
            "slowest": round(max(run["seconds"] for run in runs), 2),
            "engine": runs[0]["engine"],
            "images_per_second": round(speed),
            "late_to_early": round(min(float(run["late_to_early"]) for run in runs), 2),
        }
    measured_on = f"{arguments.held_out} held out" if arguments.held_out else "test"
    print(json.dumps({"benchmark": "recipes", "cores": os.cpu_count(), "measured_on": measured_on, **result}))


if __name__ == "__main__":
    main()

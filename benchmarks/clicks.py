"""From a click to what it does: the first training step, with a warm spare worker and without one, and the stop.

python -m benchmarks.clicks [--rounds 5]

A click is what a page's button calls: `client.start` and `client.stop`, in a runs folder of its own. Needs /proc (Linux).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path

from benchmarks import turns
from benchmarks.processes import end_dispatcher, own_runs, processes, wait_until
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses, Measured

WANTED = {"warm": 0.3, "cold": 5.0, "stop": 1.0}
COLD_ROUNDS = 1 if turns.IS_QUICK else 3


# --- What the clicks do --------------------------------------------------------------------------------------------


def start() -> tuple[RunFolder, dict[str, float]]:
    """Start the tutorial's run; seconds until it is measured before training, until its first step, until that is told."""
    clicked = time.perf_counter()
    run = RunFolder(client.runs_folder() / client.start(TrainingConfig(device="cpu")))
    measured = wait_until(lambda: any(isinstance(event, Measured) for event in run.events()), "the first measurement")
    told = wait_until(lambda: len(run.losses()) > 0, "the first loss")
    first = next(event for event in run.events() if isinstance(event, Losses))
    after_the_first = first.seconds * (len(first.losses) - 1) / len(first.losses)  # steps come in handfuls
    return run, {
        "measured before training": measured - clicked,
        "first step": told - clicked - after_the_first,
        "first loss told": told - clicked,
    }


def stop(run: RunFolder) -> float:
    """Seconds until the run's record says that it is stopped, measured and kept."""
    clicked = time.perf_counter()
    client.stop(run.id)
    is_stopped = lambda: run.run().apply_all(run.events()).state is State.STOPPED  # noqa: E731
    return wait_until(is_stopped, "the stop") - clicked


# --- The spare -----------------------------------------------------------------------------------------------------


def wait_for_spare() -> None:
    """Until there is a warm worker without anything to do: it has worked, and then rested for a second."""

    def worked() -> dict[int, int]:
        spares = [pid for pid, command in processes().items() if command.endswith("--spare")]
        times = {
            pid: Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split() for pid in spares
        }
        return {pid: int(fields[11]) + int(fields[12]) for pid, fields in times.items()}  # clock ticks: user, system

    def is_warm() -> bool:
        client.devices()  # a page that is open: wakes the dispatcher
        before = worked()
        time.sleep(1)
        after = worked()
        return any(after.get(pid) == ticks > 100 for pid, ticks in before.items())

    wait_until(is_warm, "the spare")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cold, warm, stops = [], [], []
    with own_runs() as folder:
        for round_ in range(COLD_ROUNDS):
            os.environ["FMNIST_RUNS"] = f"{folder}/cold{round_}"
            run, seconds = start()
            cold.append(seconds)
            stops.append(stop(run))
            end_dispatcher()
        os.environ["FMNIST_RUNS"] = f"{folder}/warm"
        client.ensure_dispatcher()
        for _round in turns.rounds(rounds):
            wait_for_spare()
            run, seconds = start()
            warm.append(seconds)
            stops.append(stop(run))
        end_dispatcher()

    rows, result = [], {}
    for name, clicks in (("warm", warm), ("cold", cold)):
        for what in clicks[0]:
            value = statistics.median(click[what] for click in clicks)
            wanted = f"{WANTED[name]:g} at most" if what == "first step" else ""
            rows.append((f"{name}: {what}, s", f"{value:.2f}", wanted))
            result[f"{name}_{what.replace(' ', '_')}_s"] = round(value, 3)
    rows.append(("stop, s", f"{statistics.median(stops):.2f}", f"{WANTED['stop']:g} at most"))
    turns.report("clicks", rows, {**result, "stop_s": round(statistics.median(stops), 3)})


if __name__ == "__main__":
    main()

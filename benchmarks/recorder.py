"""What the flight recorder costs, what it leaves on the disk, and how soon that is read.

python -m benchmarks.recorder [--rounds 3]

The same run is trained with and without snapshots, in one process, by turns that begin now with the one, now with the other; a share
of the time is also timed directly, which other programs on the machine hardly disturb: all weights kept and predictions computed while it
trains, against all of training. What is longer beside that is the compiled step, called for a few steps at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import turns
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Finished
from fmnist_core.runs.index import Index
from fmnist_core.runs.service.keeping import Film
from fmnist_core.runs.service.meanwhile import Meanwhile
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Measured, Started

EPOCHS = 1 if turns.IS_QUICK else 2
RUNS = {
    f"the tutorial's first {'epoch' if EPOCHS == 1 else f'{EPOCHS} epochs'}": TrainingConfig(
        epochs=EPOCHS, device="cpu"
    ),
    "a run of a second or so": TrainingConfig(epochs=1, batch_size=256, learning_rate=0.1, device="cpu"),
}


@contextmanager
def timed(methods: list[tuple[type, str]]) -> Iterator[list[float]]:
    """Seconds that calls of these methods take, each added to the list."""
    spent: list[float] = []
    originals = [(owner, name, getattr(owner, name)) for owner, name in methods]

    def measured(original: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object) -> None:
            began = time.perf_counter()
            original(*arguments)
            spent.append(time.perf_counter() - began)

        return call

    for owner, name, original in originals:
        setattr(owner, name, measured(original))
    try:
        yield spent
    finally:
        for owner, name, original in originals:
            setattr(owner, name, original)


def train(config: TrainingConfig, snapshots: int, data: object) -> tuple[RunFolder, float, float, float]:
    """The run; seconds from begin to end, of training, and of snapshots."""
    from fmnist_core.runs.files.writing import EventWriter
    from fmnist_core.runs.service.recorder import Recorder

    os.environ["FMNIST_SNAPSHOTS"] = str(snapshots)
    run = client.folder(client.start(config))
    writer = EventWriter(run.path)
    writer.write(claimed := Claimed(os.getpid()))
    recorder = Recorder(run, writer, run.run().apply(claimed))
    with timed([(Film, "take"), (Film, "write"), (Meanwhile, "look")]) as spent:
        began = time.perf_counter()
        recorder.train(data)  # type: ignore[arg-type]
        passed = time.perf_counter() - began
    writer.close()
    assert recorder.state
    return run, passed, recorder.state.seconds, sum(spent)


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def list_thousand(runs: Path) -> dict[str, float]:
    """Seconds to list 1,000 finished runs of 20 epochs, as `benchmarks.listing` finds them."""
    runs.mkdir()
    score = Score(0.5, tuple(range(900, 910)), (1000,) * 10)
    history = [Claimed(1), Started(0, 60_000, 3_000, "cpu", 2, 27_480)]
    history += [Measured(3_000 * epoch, epoch, 3.0 * epoch, score, score) for epoch in range(21)]
    index, rows = Index(runs), []
    for number in range(1000):
        folder = RunFolder.create(runs, f"{number:012x}", number + 1, f"run {number}", TrainingConfig(seed=number))
        rows.append((folder.run().apply_all([*history, Finished(60_000)]), 0))
    index.save(rows)
    index.close()
    command = [sys.executable, "-m", "benchmarks.listing"]
    environment = os.environ | {"FMNIST_RUNS": str(runs)}
    said = subprocess.run(command, cwd=turns.ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def look_at(run: RunFolder, data: object, passed: float) -> tuple[list[tuple[str, str, str]], dict[str, float | int]]:
    """Develop the run's film and read it: rows of the table, and the same as data."""
    from fmnist_core.runs.service.predictions import develop

    steps, missing, events = run.weight_steps(), len(run.snapshots.undeveloped()), len(list(run.events()))
    developed = seconds(lambda: develop(run, data, lambda: False))  # type: ignore[arg-type]
    (run.path / "snapshots" / "predictions.npz").unlink()
    facts: dict[str, float | int] = {
        "snapshots": len(steps),
        "develop_s": round(developed, 2),
        "predictions_first_s": round(seconds(run.predictions), 3),
        "predictions_s": round(statistics.median(seconds(run.predictions) for _ in range(5)), 4),
        "weights_s": round(statistics.median(seconds(partial(run.weights, step)) for step in steps), 4),
        "logits_s": round(statistics.median(seconds(partial(run.logits, step)) for step in steps), 4),
        "disk_bytes": size(run.path),
        "events_per_s": round(events / passed, 1),
    }
    rows = [
        ("its snapshots", f"{len(steps)}", "about 100"),
        (f"{missing} predictions of it, computed after training, s", f"{developed:.1f}", ""),
        ("size of it on the disk, MB", f"{facts['disk_bytes'] / 1e6:.1f}", "60 at most"),
        ("events recorded per second", str(facts["events_per_s"]), ""),
        ("all predictions, first time, s", str(facts["predictions_first_s"]), ""),
        ("all predictions, again, s", str(facts["predictions_s"]), "0.15"),
        ("weights of one snapshot, s", str(facts["weights_s"]), ""),
        ("logits of one snapshot, s", str(facts["logits_s"]), ""),
    ]
    return rows, facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    turns.keep_memory()
    client.ensure_dispatcher = lambda: None  # nothing is trained but by this process
    rows: list[tuple[str, str, str]] = []
    found: dict[str, float | int] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FMNIST_RUNS"] = str(Path(folder) / "runs")
        import torch

        from fmnist_core.training.state import TrainingData

        turns.so_far("recorder", rows, found)
        data = TrainingData.load(torch.device("cpu"))
        for name, config in RUNS.items():
            train(replace(config, step_limit=100), 0, data)  # warm
            ratios, shares, times = [], [], []
            for round_ in turns.rounds(arguments.rounds):
                taken = {wanted: train(config, wanted, data) for wanted in ((0, 100), (100, 0))[round_ % 2]}
                (_, without, _, _), (run, passed, training, spent) = taken[0], taken[100]
                ratios.append(passed / without - 1)
                shares.append(spent / training)
                times.append(training)
            key = "short" if config.batch_size > 20 else "tutorial"
            rows.append((f"{name}: training, s", f"{statistics.median(times):.2f}", ""))
            rows.append(
                (f"{name}: share of it for the time slider", f"{statistics.median(shares):.1%}", "10 % at most")
            )
            rows.append((f"{name}: longer with snapshots", f"{statistics.median(ratios):+.1%}", "10 % at most"))
            found[f"{key}_s"] = round(statistics.median(times), 3)
            found[f"{key}_share"] = round(statistics.median(shares), 4)
            found[f"{key}_longer"] = round(statistics.median(ratios), 4)
            if key == "tutorial":
                more, facts = look_at(run, data, passed)
                rows += more
                found |= facts
        listed = {name: round(value, 3) for name, value in list_thousand(Path(folder) / "thousand").items()}
        found |= {f"list_{name}_s": value for name, value in listed.items()}
        rows.append(("list of 1,000 runs, first time in a server's process, s", str(listed["first"]), "0.2"))
        rows.append(("the same, of a processor", str(listed["first_computed"]), ""))
        rows.append(("list of 1,000 runs, again, s", str(listed["again"]), "0.2"))
    turns.report("recorder", rows, found)


if __name__ == "__main__":
    main()

"""In the manner of SQLite's own tests: kill at the first operation on the disk, at the second, until none is left."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace

import pytest

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Claimed, Died, State
from fmnist_core.runs.index import IndexReader
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Changed
from tests.runs.lab import PATIENCE, SMALL, Lab, assert_same_result, events, is_locked, recorded, wait_until

AT_ONCE = 8
"""Runs that are queued together."""
EVERY = max(1, int(os.environ.get("FMNIST_KILL_EVERY", "8")))
"""Every how many operations a worker is killed; `FMNIST_KILL_EVERY=1` kills at each of them, which takes minutes."""


@pytest.mark.slow
@pytest.mark.parametrize("reuse", ["0", "1"], ids=["in a fresh process", "in one that has had another run"])
def test_killed_at_every_operation(own_lab: Lab, reuse: str):
    """Wherever a worker is killed, half way through a line or a file or before its renaming, nothing is lost or doubled.

    For each n, a run of two epochs over 1,000 images, whose rates are changed before its first step and after its
    seventh, and which keeps 8 snapshots, is killed at the n-th of about 100 operations (each eighth, from one drawn on,
    unless all are asked for), until n is beyond the last. Each one ends like a run that nobody disturbs, bit for bit,
    snapshots included; no run is ever running without a living worker for 10 s; the index ends as the folders say.
    """
    first = int(os.environ.get("FMNIST_KILL_FROM") or random.SystemRandom().randrange(EVERY))
    print(f"FMNIST_KILL_FROM={first}")
    own_lab.runs.mkdir()
    own_lab.start_forking_dispatcher(FEW_IMAGES="1000", FMNIST_SLOTS="2", FMNIST_SNAPSHOTS="8", FMNIST_REUSE=reuse)
    config = replace(SMALL, epochs=2, batch_size=100)
    undisturbed = create(own_lab, config)
    runs: list[RunFolder] = []
    while all(events(run, Died) for run in runs):
        numbers = range(len(runs), len(runs) + AT_ONCE)
        runs += [create(own_lab, config, f"dies at {first + EVERY * number}") for number in numbers]
        wait_for_all(runs)
    wait_until(lambda: all(run.snapshots.is_developed for run in [undisturbed, *runs]), 10 * PATIENCE)

    died = [run for run in runs if events(run, Died)]
    assert died == runs[: len(died)], "the operations are counted in the same way in each run"
    assert len(died) > 50 // EVERY
    trained = [event.pid for run in runs for event in events(run, Claimed)]
    assert (len(set(trained)) < len(trained)) is (reuse == "1")
    assert [len(events(run, Died)) for run in died] == [1] * len(died)
    for run in runs:
        # One whose first worker died at operation 0 died in the middle of the line that was to tell its number.
        torn = first == 0 and run is runs[0]
        assert len(events(run, Claimed)) == 1 + len(events(run, Died)) - torn
        assert_same_result(run, undisturbed)
        assert [(c.step, c.learning_rate) for c in recorded(run).changes] == [(0, 0.2), (7, 0.05)]
        assert run.weight_steps() == undisturbed.weight_steps() == run.logit_steps()
        for step in run.weight_steps():
            for name, tensor in undisturbed.weights(step).items():
                assert run.weights(step)[name].tobytes() == tensor.tobytes()
        assert not [path for path in run.path.rglob("*") if path.suffix == ".tmp"]
    with IndexReader(own_lab.runs) as index:
        assert [run for run, _offset in index.runs()] == [recorded(run) for run in reversed([undisturbed, *runs])]


def create(lab: Lab, config: TrainingConfig, name: str = "") -> RunFolder:
    """A run whose learning rate is changed at once and, as in a branch, after its seventh step."""
    planned = [Changed(7, 0.05, config.momentum)]
    number = next_sequence(lab.runs)
    run = RunFolder.create(lab.runs, f".{number:011x}", number, name, config, planned=planned)
    run.ask_for_change(0.2, None)
    run.path.rename(lab.runs / f"{number:012x}")  # complete with its request, before the dispatcher finds it
    return RunFolder(lab.runs / f"{number:012x}")


def wait_for_all(runs: list[RunFolder]) -> None:
    """Until all are finished; meanwhile none may be running for 10 s without somebody who holds its lock."""
    since: dict[str, float] = {}
    left = list(runs)

    def are_finished() -> bool:
        time.sleep(0.1)  # reading the events of many runs takes time from the runs
        for run in list(left):
            state = recorded(run).state
            if state == State.FINISHED:
                left.remove(run)
            elif state in (State.STARTING, State.RUNNING) and not is_locked(run.path / "worker.lock"):
                assert time.monotonic() - since.setdefault(run.id, time.monotonic()) < 10
            else:
                since.pop(run.id, None)
        return not left

    wait_until(are_finished, 10 * PATIENCE)
    wait_until(lambda: index_has(runs))


def index_has(runs: list[RunFolder]) -> bool:
    """Whether the index has heard that they are finished: at most a turn of the dispatcher later."""
    with IndexReader(runs[0].path.parent) as index:
        found = {run.id: run.state for run, _offset in index.runs()}
    return all(found.get(run.id) == State.FINISHED for run in runs)

"""A worker takes the next run: what it comes to is what a fresh process would have made of it."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Claimed, State
from fmnist_core.runs.service import worker
from fmnist_core.runs.service.reuse import Surroundings, fingerprint, flushes_denormals
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Job, Race, RateTest
from fmnist_core.training.compiled import engine
from fmnist_core.training.state import TrainingData
from tests.runs.lab import (
    LONGER,
    SMALL,
    Lab,
    assert_same_result,
    assert_same_weights,
    is_alive,
    is_locked,
    recorded,
    wait_until,
    worker_of,
)

BRIEF = replace(SMALL, epochs=2, batch_size=100)
"""Twenty steps on a thousand images."""
OTHERS = {
    "with dropout": replace(BRIEF, seed=7, dropout=0.5),
    "changed pictures": replace(BRIEF, flip=True, shift=2, erase=4),
    "another optimizer": replace(BRIEF, optimizer="adam", learning_rate=0.001),
    "another network": replace(BRIEF, architecture="residual", epochs=1, standardise=True),
    "held back": replace(BRIEF, validation=200, schedule="cosine"),
}
JOBS: dict[str, Job] = {"race": Race(copies=3), "rate finder": RateTest()}


def test_who_is_waited_for_gets_no_warmer(capsys: pytest.CaptureFixture[str]):
    """A spare that is given a run before it is warm leaves out what the run does anyway; the data and its devices are there."""
    looks: list[bool] = []
    data = worker.get_warm(lambda: bool(looks.append(True) or True))
    assert data is not None
    assert len(data.labels) == 60_000
    assert looks == [True], "before the first step"
    assert "cpu" in json.loads(capsys.readouterr().out)["devices"]


def start(lab: Lab, config: TrainingConfig, name: str, job: Job | None = None) -> RunFolder:
    """Without asking whether it may be."""
    return RunFolder.create(lab.runs, os.urandom(6).hex(), next_sequence(lab.runs), name, config, job=job)


def workers(lab: Lab, *runs: RunFolder) -> list[int]:
    """Who trained them, once they have finished."""
    for run in runs:
        lab.wait(run, State.FINISHED)
    return [worker_of(run) for run in runs]


@pytest.fixture
def few(own_lab: Lab) -> Lab:
    """A dispatcher whose runs have a thousand images, one at a time."""
    own_lab.runs.mkdir()
    own_lab.start_forking_dispatcher(FEW_IMAGES="1000", FMNIST_SNAPSHOTS="4")
    return own_lab


@pytest.mark.parametrize("compiled", [pytest.param(False, marks=pytest.mark.thorough), True], ids=["PyTorch", "in C"])
def test_a_run_taken_last_is_the_same(own_lab: Lab, monkeypatch: pytest.MonkeyPatch, compiled: bool):
    """After runs of all kinds in the same process a run comes to the bits of one that its process took first."""
    monkeypatch.setenv("FMNIST_COMPILED", str(int(compiled)))
    if compiled and not engine.prepare():
        pytest.skip("there is no C compiler")
    own_lab.runs.mkdir()
    own_lab.start_forking_dispatcher(FEW_IMAGES="1000")
    first = start(own_lab, BRIEF, "first")
    (pid,) = workers(own_lab, first)
    wait_until(lambda: not is_locked(first.path / "worker.lock"))
    os.kill(pid, signal.SIGTERM)  # it waits for another run; the next one's process is a fresh one
    wait_until(lambda: not is_alive(pid))
    others = [start(own_lab, config, name) for name, config in OTHERS.items()]
    jobs = [start(own_lab, BRIEF, name, job) for name, job in JOBS.items()]
    last = start(own_lab, BRIEF, "last")
    assert len({pid, *workers(own_lab, *others, *jobs, last)}) == 2
    assert recorded(last).engine == ("compiled" if compiled else "torch")
    assert_same_result(last, first)


@pytest.mark.thorough
def test_real_workers(own_lab: Lab):
    """As the dispatcher really starts them: one that began cold takes the second run, and comes to the bits of the first."""
    own_lab.runs.mkdir()
    few_steps = replace(SMALL, step_limit=10)
    first, second = start(own_lab, few_steps, "first"), start(own_lab, few_steps, "second")
    own_lab.start_dispatcher()
    assert len(set(workers(own_lab, first, second))) == 1
    assert first.run().apply_all(first.events()).steps == 10
    assert second.losses().tobytes() == first.losses().tobytes()
    assert_same_weights(second, first)


@pytest.mark.slow
def test_killed_in_its_second_run(own_lab: Lab, undisturbed: RunFolder):
    """A worker that is killed in its second run costs that run what a death costs, and the first one nothing."""
    own_lab.runs.mkdir()
    own_lab.start_forking_dispatcher()
    first, second = start(own_lab, SMALL, "first"), start(own_lab, LONGER, "second")
    own_lab.wait_for_steps(second, 120)
    assert worker_of(second) == worker_of(first)
    own_lab.kill_worker(second)
    assert own_lab.wait(second, State.FINISHED).deaths == 1
    assert_same_result(second, undisturbed)
    assert own_lab.wait(first, State.FINISHED).deaths == 0


@pytest.mark.slow
def test_killed_at_random(own_lab: Lab, tmp_path: Path):
    """Whenever workers that go from run to run are killed, each run comes to the bits of one that had a process to itself."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # pytest shows it where the test fails
    chance = random.Random(seed)
    configs = {name: replace(config, epochs=30) for name, config in OTHERS.items()} | {
        "plain": replace(BRIEF, epochs=30)
    }
    configs["another network"] = replace(OTHERS["another network"], epochs=4)

    alone = Lab(tmp_path / "alone")
    try:
        twins = {name: alone.create(config, name) for name, config in configs.items()}
        alone.start_forking_dispatcher(FEW_IMAGES="1000", FMNIST_REUSE="0")
        for twin in twins.values():
            wait_until(lambda twin=twin: recorded(twin).state is State.FINISHED)
    finally:
        alone.close()
    assert len({worker_of(twin) for twin in twins.values()}) == len(twins)

    runs = {f"{name} {number}": own_lab.create(configs[name], name) for number in range(2) for name in configs}
    own_lab.start_forking_dispatcher(FEW_IMAGES="1000")
    killed: list[tuple[str, int]] = []
    while under_way := [name for name, run in runs.items() if not recorded(run).state.is_final]:
        time.sleep(chance.uniform(0.05, 1.5))
        for name in under_way:
            if (
                recorded(runs[name]).state is not State.RUNNING or recorded(runs[name]).deaths > 1
            ):  # a third is the last
                continue
            if chance.random() < 0.4 and is_alive(pid := worker_of(runs[name])):
                os.kill(pid, signal.SIGKILL)
                killed.append((name, pid))
    taken = [(event.pid, name) for name, run in runs.items() for event in run.events() if isinstance(event, Claimed)]
    later = [pid for _name, pid in killed if len({name for process, name in taken if process == pid}) > 1]
    print(f"{len(killed)} kills, {len(later)} of them of workers in a later run")
    assert later
    for name, run in runs.items():
        assert recorded(run).state is State.FINISHED, recorded(run).reason
        assert_same_result(run, twins[name.rpartition(" ")[0]])


@pytest.mark.thorough
def test_predictions_wait_until_nobody_waits(few: Lab):
    """While runs wait, moments of those that have finished are not computed; afterwards all of them are."""
    runs = [start(few, replace(BRIEF, epochs=4), f"{number}") for number in range(4)]
    wait_until(lambda: recorded(runs[3]).step > 0)
    assert not [run for run in runs if run.snapshots.is_developed]
    wait_until(lambda: all(run.snapshots.is_developed for run in runs))


@pytest.mark.thorough
def test_a_run_that_leaves_something(few: Lab):
    """Diverged, failed, or a setting left changed: a fresh process takes the next run, which is as it would be alone."""
    alone = start(few, BRIEF, "alone")
    ends = {
        State.DIVERGED: start(few, replace(BRIEF, learning_rate=10.0, weight_decay=0.9, epochs=20), "diverges"),
        State.FAILED: start(few, replace(BRIEF, device="mps"), "fails"),
        State.FINISHED: start(few, BRIEF, "leaves its mark"),
    }
    last = start(few, BRIEF, "last")
    for end, run in ends.items():
        few.wait(run, end)
    workers(few, alone, last)
    diverged, failed, marked = map(worker_of, ends.values())
    assert worker_of(alone) == diverged
    assert len({diverged, failed, marked, worker_of(last)}) == 4
    assert_same_result(last, alone)


@pytest.mark.parametrize(
    ("change", "back", "name"),
    [
        (lambda: torch.set_num_threads(3), lambda: torch.set_num_threads(1), "threads"),
        (
            lambda: torch.set_default_dtype(torch.float64),
            lambda: torch.set_default_dtype(torch.float32),
            "number format",
        ),
        (
            lambda: torch.set_float32_matmul_precision("medium"),
            lambda: torch.set_float32_matmul_precision("highest"),
            "precision of products",
        ),
        (lambda: np.seterr(over="raise"), lambda: np.seterr(over="warn"), "floating point errors"),
        (lambda: os.umask(0o027), lambda: os.umask(0o022), "mask"),
        (lambda: os.environ.update(OMP_WAIT="1"), lambda: os.environ.pop("OMP_WAIT"), "environment"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_noticed(change: Callable[[], object], back: Callable[[], object], name: str):
    """A changed setting that the next run would feel is noticed, by its name."""
    back_at_first = os.umask(0o022)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    os.environ.pop("OMP_WAIT", None)
    before = Surroundings.now()
    try:
        change()
        assert before.differences(Surroundings.now()) == [name]
    finally:
        back()
        assert before.differences(Surroundings.now()) == []
        os.umask(back_at_first)
        torch.set_num_threads(threads)


def test_denormal_numbers_are_noticed():
    """Whether numbers below float32's normal range are zero can be told."""
    try:
        assert torch.set_flush_denormal(True)
        assert flushes_denormals()
        torch.set_flush_denormal(False)
        assert not flushes_denormals()
    finally:
        torch.set_flush_denormal(False)


def test_a_changed_image_is_noticed():
    """One grey level in one picture makes another fingerprint."""
    images = torch.zeros(20, 28, 28, dtype=torch.uint8)
    data = TrainingData(images, torch.zeros(20).long(), images.clone(), torch.zeros(20).long())
    before = fingerprint(data)
    assert fingerprint(data) == before
    images[7, 3, 3] = 1
    assert fingerprint(data) != before

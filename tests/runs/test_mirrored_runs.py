"""Runs that are trained in a copy of their folder: killed, steered, branched, they come to what they would have come to here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Died, Interrupted, Resumed, RunEvent, State
from fmnist_core.runs.service.cluster.here import Here
from fmnist_core.settings.jobs import Race
from fmnist_core.training.events import Changed, Losses
from tests.runs.far import Far
from tests.runs.lab import (
    LONGER,
    SMALL,
    Lab,
    assert_same_result,
    assert_same_weights,
    events,
    is_alive,
    is_locked,
    recorded,
    steps_recorded,
    wait_until,
    worker_of,
)

pytestmark = pytest.mark.usefixtures("scratch")


# --- As if it were trained here ------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_same_bits_and_nothing_left_there(own_lab: Lab, undisturbed: RunFolder, scratch: Path):
    """A mirrored run has the events, measurements and weights of one that was trained here; the scratch folder is gone."""
    run = own_lab.create(LONGER)
    assert Far(run).wait() == 0
    assert_same_result(run, undisturbed)
    assert [type(event) for event in events(run) if not isinstance(event, Losses)] == [
        type(event) for event in events(undisturbed) if not isinstance(event, Losses)
    ]
    assert not list(scratch.iterdir())


def requeue(run: RunFolder, event: RunEvent) -> None:
    """What the dispatcher does with a run that nobody trains."""
    wait_until(lambda: not is_locked(run.path / "worker.lock"))
    lock = run.lock()
    assert lock
    with lock:
        Here(run).write(event)


@pytest.mark.slow
def test_killed_on_either_side(own_lab: Lab, undisturbed: RunFolder, scratch: Path):
    """The worker there is killed, then whoever follows it vanishes: each time the next one goes on, to the same result."""
    run = own_lab.create(LONGER)
    far = Far(run)
    own_lab.wait_for_steps(run, 20)
    os.kill(worker_of(run), signal.SIGKILL)
    assert far.wait() == 128 + signal.SIGKILL
    assert recorded(run).state is State.RUNNING, "whether that was a death is the dispatcher's to say"
    requeue(run, Died("killed"))

    program = "import sys; from pathlib import Path; from tests.runs.far import Far, RunFolder; Far(RunFolder(Path(sys.argv[1]))).wait()"
    process = own_lab.python("-c", program, str(run.path), TMPDIR=str(scratch))
    wait_until(lambda: len(events(run, Claimed)) == 2)
    own_lab.wait_for_steps(run, 110)
    worker = worker_of(run)
    process.kill()
    process.wait()
    wait_until(lambda: not is_alive(worker))
    wait_until(lambda: not list(scratch.iterdir()))
    with open(run.path / "events.jsonl", "ab") as file:
        file.write(b'{"event":"Losses","st')  # torn
    requeue(run, Died("killed"))
    assert Far(run).wait() == 0
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_steered_through_the_mirror(own_lab: Lab):
    """A change, a pause, single steps, resume: at the same steps as here, to the same weights as a run planned so."""
    run = own_lab.create(LONGER)
    far = Far(run)
    own_lab.wait_for_steps(run, 20)
    run.ask_for_change(0.05, None)
    wait_until(lambda: events(run, Changed))
    run.ask("pause")
    wait_until(lambda: recorded(run).state is State.PAUSED and not run.is_asked("pause"))
    paused_at = recorded(run).step
    for step in (paused_at + 1, paused_at + 2):
        run.ask("step", str(step))
        wait_until(lambda step=step: step in run.single_steps() and recorded(run).step == step)
    run.ask("resume")
    assert far.wait() == 0
    assert os.listdir(run.path / "requests") == ["resume"], "which is the dispatcher's to settle"
    run.settle("resume")
    requeue(run, Resumed())
    assert Far(run).wait() == 0
    assert steps_recorded(run) == list(range(1, 201))
    (change,) = recorded(run).changes
    planned = Changed(change.step, change.learning_rate, change.momentum)
    here = RunFolder.create(own_lab.runs, os.urandom(6).hex(), 99, "", LONGER, planned=[planned])
    own_lab.start_worker(here)
    wait_until(lambda: recorded(here).state is State.FINISHED)
    assert run.losses().tobytes() == here.losses().tobytes()
    assert_same_weights(run, here)


@pytest.mark.slow
def test_told_to_end_it_waits_with_a_checkpoint(own_lab: Lab, undisturbed: RunFolder):
    """Who follows is told to end: the worker there keeps the very step, the run waits, and goes on to the same result."""
    run = own_lab.create(LONGER)
    far = Far(run)
    own_lab.wait_for_steps(run, 130)
    far.is_to_end = True
    assert far.wait() == 0
    (interrupted,) = events(run, Interrupted)
    assert run.branch_steps()[-1] == interrupted.step == recorded(run).step
    assert recorded(run).state is State.QUEUED
    assert Far(run).wait() == 0
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_a_paused_run_makes_room(own_lab: Lab):
    """A worker that only stays for single steps ends when another run waits for the node."""
    run = own_lab.create(LONGER)
    far = Far(run)
    own_lab.wait_for_steps(run, 20)
    run.ask("pause")
    wait_until(lambda: recorded(run).state is State.PAUSED)
    far.is_in_the_way = True
    began = time.monotonic()
    assert far.wait() == 0
    assert time.monotonic() - began < 30
    assert recorded(run).state is State.PAUSED


@pytest.mark.slow
def test_branches_and_races(own_lab: Lab, undisturbed: RunFolder):
    """A branch takes its parent's checkpoint along; a race of copies comes back whole; snapshots come with their weights."""
    parent, step = undisturbed, 100
    branch = RunFolder.create(
        own_lab.runs, os.urandom(6).hex(), 98, "", LONGER, parent=(parent.id, step), checkpoint=parent.checkpoint(step)
    )
    assert Far(branch, FMNIST_SNAPSHOTS="8").wait() == 0
    assert branch.losses().tobytes() == parent.losses()[step:].tobytes()
    assert len(branch.weight_steps()) >= 5
    assert branch.weight_steps()[-1] == 200
    race = RunFolder.create(own_lab.runs, os.urandom(6).hex(), 97, "", SMALL, job=Race(copies=3))
    assert Far(race).wait() == 0
    assert recorded(race).state is State.FINISHED

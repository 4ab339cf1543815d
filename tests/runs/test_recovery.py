"""Workers that are killed, told to end, suspended: the run comes to the result that it would have come to anyway."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.format import to_json
from fmnist_core.runs.files.record import Claimed, Died, Failed, Finished, Interrupted, Paused, Resumed, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.training.events import Losses, Started
from tests.runs.lab import (
    LONGER,
    PATIENCE,
    SMALL,
    Lab,
    assert_same_result,
    events,
    is_locked,
    recorded,
    steps_recorded,
    wait_until,
    worker_of,
)


def test_killed_worker_changes_nothing(lab: Lab, undisturbed: RunFolder):
    """A worker killed -9 in the middle is replaced: every step is there once, the result is the same bit for bit."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 130)  # the first epoch's checkpoint is at 100
    first = lab.kill_worker(run)
    assert lab.wait(run, State.FINISHED).deaths == 1
    assert worker_of(run) != first
    (died,) = events(run, Died)
    assert died.reason == "Its worker was killed; attempt 2 of 3 goes on from the last checkpoint."
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_killed_before_the_first_checkpoint(lab: Lab, undisturbed: RunFolder):
    """A worker killed before it has kept anything is replaced by one that begins again, to the same result."""
    run = lab.start(LONGER)
    wait_until(lambda: events(run, Claimed))
    lab.kill_worker(run)
    assert not list((run.path / "checkpoints").glob("*.safetensors"))
    lab.wait(run, State.FINISHED)
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_damaged_checkpoint(lab: Lab, undisturbed: RunFolder):
    """When the newest checkpoint cannot be read, the run goes on from the one before it, to the same result."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 130)
    os.kill(worker_of(run), signal.SIGSTOP)  # it must not write another one now
    newest = max((run.path / "checkpoints").glob("*.safetensors"))
    assert newest.stem == "00000100"
    newest.write_bytes(newest.read_bytes()[:100])
    lab.kill_worker(run)
    lab.wait(run, State.FINISHED)
    assert [event.step for event in run.events() if isinstance(event, Started)] == [0, 0]
    assert_same_result(run, undisturbed)


@pytest.mark.thorough
def test_told_to_end(lab: Lab, undisturbed: RunFolder):
    """SIGTERM makes a worker write a checkpoint and hand the run back; it goes on to the same result, no death counted."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 130)
    os.kill(worker_of(run), signal.SIGTERM)
    finished = lab.wait(run, State.FINISHED)
    (interrupted,) = events(run, Interrupted)
    assert interrupted.step > 100, "it went on from the end of the epoch, not from a checkpoint of its own"
    assert finished.deaths == 0
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_told_to_end_exits_with_0(own_lab: Lab):
    """A worker that was told to end by SIGTERM exits with status 0, its checkpoint where the recorded steps end."""
    run = own_lab.create(LONGER)
    worker = own_lab.start_worker(run)
    own_lab.wait_for_steps(run, 30)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert isinstance(events(run)[-1], Interrupted)
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert checkpoint[1] == recorded(run).step == len(run.losses())


@pytest.mark.slow
def test_told_to_end_while_it_gets_ready(own_lab: Lab):
    """SIGTERM right after a worker has taken the run is no death either: it hands the run back."""
    run = own_lab.create(SMALL)
    worker = own_lab.start_worker(run)
    wait_until(lambda: events(run, Claimed))
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0
    assert recorded(run).state == State.QUEUED
    assert recorded(run).deaths == 0


@pytest.mark.slow
def test_three_deaths(lab: Lab):
    """A run whose workers were killed three times has failed and says why; nobody tries a fourth time."""
    run = lab.start(LONGER)
    for attempt in (1, 2, 3):
        wait_until(lambda n=attempt: len(events(run, Claimed)) == n)
        lab.kill_worker(run)
    failed = lab.wait(run, State.FAILED)
    assert failed.deaths == 3
    assert failed.reason == "Its worker was killed 3 times (out of memory?): see worker.log in the run's folder."
    assert isinstance(events(run)[-1], Failed)
    after = lab.start(SMALL)  # the slot is free again
    lab.wait(after, State.FINISHED)
    assert len(events(run, Claimed)) == 3


@pytest.mark.slow
def test_suspended_worker(lab: Lab):
    """A suspended worker's run is shown as stalled, stays its run, and goes on when it is woken."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 30)
    worker = worker_of(run)
    os.kill(worker, signal.SIGSTOP)
    wait_until(lambda: client.get(run.id).stalled)  # here after 4 s instead of 30
    assert client.get(run.id).state == State.RUNNING
    assert is_locked(run.path / "worker.lock")
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: not client.get(run.id).stalled)
    assert lab.wait(run, State.FINISHED).deaths == 0
    assert worker_of(run) == worker
    assert len(events(run, Claimed)) == 1


@pytest.mark.slow
def test_pause_and_resume(lab: Lab, undisturbed: RunFolder):
    """A run that is paused gives its slot back; resumed, it comes to the same result as if it had not been paused."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 130)
    client.pause(run.id)
    paused = lab.wait(run, State.PAUSED)
    assert 130 <= paused.step < 200
    other = lab.start(SMALL)
    lab.wait(other, State.FINISHED)
    assert recorded(run).state == State.PAUSED
    client.resume(run.id)
    lab.wait(run, State.FINISHED)
    assert len(events(run, Paused)) == len(events(run, Resumed)) == 1
    assert_same_result(run, undisturbed)


def test_resume_too_early_does_not_spoil_the_next_pause(lab: Lab):
    """Resuming a run that is not paused has no effect, now or later: the next pause lasts."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 10)
    client.resume(run.id)
    client.pause(run.id)
    lab.wait(run, State.PAUSED)
    time.sleep(1)
    assert lab.wait(run, State.PAUSED).state == State.PAUSED
    assert not events(run, Resumed)
    client.stop(run.id)
    lab.wait(run, State.STOPPED)


@pytest.mark.thorough
def test_stop(lab: Lab):
    """A run that is stopped ends within a second or so, keeps what it has trained, and is measured where it stopped."""
    run = lab.start(replace(LONGER, epochs=20))
    lab.wait_for_steps(run, 130)
    asked = time.monotonic()
    client.stop(run.id)
    stopped = lab.wait(run, State.STOPPED)
    assert time.monotonic() - asked < 5, "about 0.5 s on an idle machine"
    last = stopped.latest
    assert last
    assert last.step == stopped.step == len(run.losses())
    assert last.epoch == pytest.approx(stopped.step / 100)
    assert run.logits(stopped.step).shape == (10_000, 10)
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert checkpoint[1] == stopped.step


def test_stop_while_waiting(lab: Lab):
    """A run that is stopped before its turn never starts."""
    first, second = lab.start(LONGER), lab.start(SMALL)
    client.stop(second.id)
    lab.wait(second, State.STOPPED)
    assert not events(second, Claimed)
    client.stop(first.id)
    lab.wait(first, State.STOPPED)


@pytest.mark.parametrize("torn", [b'{"event":"Losses","step":1', b"\0" * 500, b'{"event":"Finished","step":200}'])
def test_torn_last_line(tmp_path: Path, undisturbed: RunFolder, torn: bytes):
    """A last line that a crash has torn is passed over by readers and removed by the next writer; nothing else is."""
    run = RunFolder.create(tmp_path, "0123456789ab", 1, "", LONGER)
    whole = (undisturbed.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    kept = b"".join(whole[:4])
    (run.path / "events.jsonl").write_bytes(kept + torn)
    assert events(run) == events(undisturbed)[:4]
    writer = EventWriter(run.path)
    writer.write(Died("killed"))
    writer.close()
    assert (run.path / "events.jsonl").read_bytes() == kept + to_json(Died("killed")).encode() + b"\n"


@pytest.mark.slow
def test_run_with_a_torn_last_line(lab: Lab, undisturbed: RunFolder):
    """A run whose last line is torn goes on to the same result as one whose lines are whole."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 30)
    os.kill(worker_of(run), signal.SIGSTOP)
    with open(run.path / "events.jsonl", "ab") as file:
        file.write(b'{"event":"Losses","step":1')
    lab.kill_worker(run)
    lab.wait(run, State.FINISHED)
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_steps_lost_behind_a_checkpoint(lab: Lab, undisturbed: RunFolder):
    """When a power cut has taken lines that a checkpoint is ahead of, those steps are trained again, none is missing."""
    run = lab.start(LONGER)
    lab.wait_for_steps(run, 130)
    os.kill(worker_of(run), signal.SIGSTOP)
    lines = (run.path / "events.jsonl").read_bytes().splitlines(keepends=True)
    cut = next(n for n, event in enumerate(events(run)) if isinstance(event, Losses) and event.step >= 20)
    (run.path / "events.jsonl").write_bytes(b"".join(lines[:cut]) + lines[cut][:30])
    newest = run.read_checkpoint()
    assert newest
    assert newest[1] == 100 > recorded(run).step
    lab.kill_worker(run)
    lab.wait(run, State.FINISHED)
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_two_workers_for_one_run(own_lab: Lab):
    """Of two workers for the same run one trains, the other exits with status 75 and has changed nothing."""
    run = own_lab.create(SMALL)
    workers = [own_lab.start_worker(run), own_lab.start_worker(run)]
    wait_until(lambda: any(worker.poll() is not None for worker in workers))
    assert [worker.poll() for worker in workers if worker.poll() is not None] == [75]
    assert [worker.wait(PATIENCE) for worker in workers if worker.poll() is None] == [0]
    assert len(events(run, Claimed)) == len(events(run, Finished)) == 1
    assert steps_recorded(run) == list(range(1, 101))


def test_worker_that_comes_too_late(own_lab: Lab):
    """A worker takes a run only while it waits in the queue: one that has been paused meanwhile stays paused."""
    run = own_lab.create(SMALL)
    writer = EventWriter(run.path)
    writer.write(Claimed(1))
    writer.write(Paused(0, ""))
    writer.close()
    worker = own_lab.start_worker(run)
    assert worker.wait(PATIENCE) == 0
    assert recorded(run).state == State.PAUSED
    assert events(run) == [Claimed(1), Paused(0, "")]

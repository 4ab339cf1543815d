"""Dispatchers that are killed, told to end, started twice: runs go on, and nothing is started twice."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Died, Finished, Interrupted, Paused, State
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.service.dispatcher import Dispatcher
from fmnist_core.runs.service.executor import LocalExecutor
from fmnist_core.training.events import Started
from tests.runs.executors import Counts, NobodyStarts
from tests.runs.lab import (
    LONGER,
    PATIENCE,
    SMALL,
    Lab,
    assert_same_result,
    delete_by_hand,
    events,
    is_alive,
    recorded,
    wait_until,
    worker_of,
)

START_A_RUN = f"""
import sys, time
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.runs import client
print(client.start(TrainingConfig.from_dict({LONGER.to_dict()})), flush=True)
time.sleep(600)
"""
"""What a web server does, as far as runs are concerned."""


@pytest.mark.slow
def test_web_server_killed(own_lab: Lab, undisturbed: RunFolder):
    """When the process that started a run is killed with its whole process group, dispatcher and run go on."""
    server = own_lab.python("-c", START_A_RUN)
    assert server.stdout
    run = RunFolder(own_lab.runs / server.stdout.readline().decode().strip())
    own_lab.wait_for_steps(run, 10)
    dispatcher = own_lab.dispatcher
    os.killpg(server.pid, signal.SIGKILL)
    assert server.wait(PATIENCE) == -signal.SIGKILL
    wait_until(lambda: recorded(run).state == State.FINISHED)
    assert own_lab.dispatcher == dispatcher
    own_lab.wait(run, State.FINISHED)  # the next server finds it
    assert_same_result(run, undisturbed)


@pytest.mark.thorough
def test_dispatcher_killed(own_lab: Lab, undisturbed: RunFolder):
    """A run goes on when its dispatcher is killed; the next visit starts another one, which adopts it and the queue."""
    run, waiting = own_lab.start(LONGER), own_lab.start(SMALL)
    own_lab.wait_for_steps(run, 10)
    worker, first = worker_of(run), own_lab.kill_dispatcher()
    own_lab.wait_for_steps(run, recorded(run).step + 20)  # without a dispatcher
    wait_until(lambda: not own_lab.spares)  # nobody is left who could give it a run
    wait_until(lambda: client.list_runs() and own_lab.dispatcher)  # a page looks about once a second
    assert [listed.id for listed in client.list_runs()] == [waiting.id, run.id]
    assert own_lab.dispatcher != first
    own_lab.wait(waiting, State.FINISHED)
    assert own_lab.wait(run, State.FINISHED).deaths == 0
    assert events(run, Claimed) == [Claimed(worker)]
    assert len(events(waiting, Claimed)) == 1
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_dispatcher_and_worker_killed(own_lab: Lab, undisturbed: RunFolder):
    """When both are killed, the next visit finds the run without a worker and has it trained to the end."""
    own_lab.start_forking_dispatcher()
    run = own_lab.start(LONGER)
    own_lab.wait_for_steps(run, 130)
    own_lab.kill_dispatcher()
    own_lab.kill_worker(run)
    assert recorded(run).state == State.RUNNING  # nobody could record that it is not
    assert own_lab.wait(run, State.FINISHED).deaths == 1
    assert_same_result(run, undisturbed)


@pytest.mark.slow
def test_dispatcher_told_to_end(own_lab: Lab):
    """SIGTERM ends a dispatcher with status 0 and its spare with it; the run goes on, the next dispatcher adopts it."""
    dispatcher = own_lab.start_dispatcher()
    run = own_lab.start(LONGER)
    own_lab.wait_for_steps(run, 10)
    dispatcher.send_signal(signal.SIGTERM)
    assert dispatcher.wait(PATIENCE) == 0
    worker = worker_of(run)
    wait_until(lambda: own_lab.processes() == [worker])
    wait_until(lambda: recorded(run).state == State.FINISHED)
    assert own_lab.dispatcher is None
    assert own_lab.wait(run, State.FINISHED).step == 200
    assert events(run, Claimed) == [Claimed(worker)]
    assert not events(run, Interrupted)


def test_second_dispatcher(lab: Lab):
    """A second dispatcher for the same folder exits with status 75 and a sentence."""
    first = lab.dispatcher
    second = lab.python("-m", "fmnist_core.runs.service.dispatcher", str(lab.runs))
    _, said = second.communicate(timeout=PATIENCE)
    assert second.returncode == 75
    assert said.decode() == f"Another dispatcher looks after {lab.runs}.\n"
    assert lab.dispatcher == first


@pytest.mark.slow
def test_two_servers_at_once(own_lab: Lab):
    """Two servers that start runs at once are served by one dispatcher; every run has its number and is trained once."""
    program = START_A_RUN.replace("time.sleep(600)", "").replace(str(LONGER.to_dict()), str(SMALL.to_dict()))
    servers = [own_lab.python("-c", program) for _ in range(2)]
    runs = [RunFolder(own_lab.runs / server.communicate(timeout=PATIENCE)[0].decode().strip()) for server in servers]
    assert sorted(recorded(run).sequence for run in runs) == [1, 2]
    wait_until(lambda: own_lab.dispatcher)
    dispatcher = own_lab.dispatcher
    for run in runs:
        own_lab.wait(run, State.FINISHED)
        assert len(events(run, Claimed)) == len(events(run, Finished)) == 1
    assert own_lab.dispatcher == dispatcher


def test_folder_deleted(lab: Lab):
    """A run whose folder is deleted while it trains is gone; its worker ends, and the next run has its turn."""
    run, other = lab.start(LONGER), lab.start(SMALL)
    lab.wait_for_steps(run, 10)
    worker = worker_of(run)
    os.kill(worker, signal.SIGSTOP)
    delete_by_hand(run)
    os.kill(worker, signal.SIGCONT)
    assert lab.wait(other, State.FINISHED).deaths == 0
    wait_until(lambda: not is_alive(worker))
    with pytest.raises(client.RunNotFound, match=r"^No such run\."):
        client.get(run.id)
    assert run.id not in [listed.id for listed in client.list_runs()]


# --- The spare -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lab_with_spare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A dispatcher as it is, with its warm spare."""
    lab = Lab(tmp_path_factory.mktemp("spare") / "runs")
    lab.runs.mkdir()
    lab.start_dispatcher()
    yield lab
    lab.close()


def spare_of(lab: Lab) -> int:
    wait_until(lambda: lab.spares)
    return lab.spares[0]


def test_spare_told_to_end(lab_with_spare: Lab):
    """SIGTERM ends a spare that has nothing to do, and another one takes its place."""
    spare = spare_of(lab_with_spare)
    os.kill(spare, signal.SIGTERM)
    wait_until(lambda: not is_alive(spare))
    assert spare_of(lab_with_spare) != spare


@pytest.mark.thorough
def test_spare_killed_before_it_takes_its_run(lab_with_spare: Lab, monkeypatch: pytest.MonkeyPatch):
    """A warm worker that is killed between being given a run and taking it costs the run nothing: another one takes it."""
    monkeypatch.setenv("FMNIST_RUNS", str(lab_with_spare.runs))
    spare = spare_of(lab_with_spare)
    os.kill(spare, signal.SIGSTOP)
    pipe = os.open(f"/proc/{spare}/fd/0", os.O_RDONLY)
    run = lab_with_spare.start(SMALL)
    wait_until(lambda: select.select([pipe], [], [], 0)[0])  # the run's folder went through it
    os.close(pipe)
    assert not events(run)
    os.kill(spare, signal.SIGKILL)
    assert lab_with_spare.wait(run, State.FINISHED).deaths == 0
    assert len(events(run, Claimed)) == 1


# --- Moments that are too short to be hit from outside -------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [Paused(0, ""), Interrupted(0), Finished(100)], ids=lambda event: type(event).__name__
)
def test_last_words_in_the_last_moment(tmp_path: Path, words: Paused | Interrupted | Finished):
    """What a worker records between the dispatcher's look at the events and its look at the lock is not a death."""
    run = RunFolder.create(tmp_path, "0123456789ab", 1, "", SMALL)
    dispatcher = Dispatcher(tmp_path, NobodyStarts())
    lock, writer = run.lock(), EventWriter(run.path)
    assert lock
    writer.write(Claimed(1))
    writer.write(Started(0, 100, 100, "cpu", 1, 100))
    dispatcher.turn()
    watched = dispatcher.known[run.id]
    assert watched.run.state == State.RUNNING
    writer.write(words)
    lock.close()
    dispatcher._look_for_worker(watched)
    assert events(run)[-1] == words
    assert watched.run.deaths == 0
    dispatcher.index.close()


class TwoGPUs(NobodyStarts):
    """An Executor of a machine with two GPUs, which notes who is given which."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}
        """Slots by run, of those that have not ended."""

    def start(self, folder: Path, slot: str = "") -> None:
        self.given[folder.name] = slot

    def gpus(self) -> int:
        return 2

    def is_at_work(self, folder: Path) -> bool:
        return folder.name in self.given


def test_one_run_a_gpu(tmp_path: Path):
    """Each GPU has one run and the CPU one; who needs a GPU waits for one, and gets the one that is free."""
    executor = TwoGPUs()
    dispatcher = Dispatcher(tmp_path, executor, slots=None)
    wishes = ["cuda", "auto", "cuda", "cpu", "cpu"]
    runs = [
        RunFolder.create(tmp_path, f"{number:012x}", number, "", replace(SMALL, device=device))
        for number, device in enumerate(wishes, 1)
    ]
    dispatcher.turn()
    assert executor.given == {runs[0].id: "cuda:0", runs[1].id: "cuda:1", runs[3].id: "cpu"}
    writer = EventWriter(runs[1].path)
    for event in (Claimed(1), Started(0, 100, 100, "cuda", 1, 100), Finished(100)):
        writer.write(event)
    writer.close()
    del executor.given[runs[1].id]
    dispatcher.turn()
    dispatcher.turn()
    assert executor.given[runs[2].id] == "cuda:1"
    assert runs[4].id not in executor.given
    dispatcher.index.close()


def test_resume_while_the_worker_still_leaves(tmp_path: Path):
    """A resume that comes while the paused run's worker still holds the lock waits until it has let go."""
    run = RunFolder.create(tmp_path, "0123456789ab", 1, "", SMALL)
    dispatcher = Dispatcher(tmp_path, NobodyStarts())
    lock, writer = run.lock(), EventWriter(run.path)
    assert lock
    writer.write(Claimed(1))
    writer.write(Paused(0, ""))
    run.ask("resume")
    dispatcher.turn()
    assert recorded(run).state == State.PAUSED
    assert run.is_asked("resume")
    lock.close()
    dispatcher.turn()
    assert recorded(run).state == State.QUEUED
    assert not run.is_asked("resume")
    dispatcher.index.close()


def test_worker_that_never_takes_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is killed before another one gets the run, so that the two cannot train it both."""
    run = RunFolder.create(tmp_path, "0123456789ab", 1, "", SMALL)
    executor = LocalExecutor()
    hangs = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert hangs.stdout
    os.set_blocking(hangs.stdout.fileno(), False)
    monkeypatch.setattr(executor, "_popen", lambda *_, **__: hangs)
    dispatcher = Dispatcher(tmp_path, executor)
    dispatcher.turn()
    dispatcher.turn()
    assert not events(run)
    assert hangs.poll() is None
    monkeypatch.setattr("fmnist_core.runs.service.dispatcher.GRACE", 0.0)
    dispatcher._look_at(dispatcher.known[run.id])
    assert [type(event) for event in events(run)] == [Died]
    assert hangs.returncode == -signal.SIGKILL
    dispatcher.index.close()


def test_turns_outlive_the_dispatcher(tmp_path: Path):
    """A dispatcher that takes over knows who has had a turn: nobody's second run before everybody's first."""
    whose = ["Ada", "Ada", "Grace", "Alan", "Ada", "Grace"]
    runs = [RunFolder.create(tmp_path, f"{n:012x}", n, "", SMALL, owner=owner) for n, owner in enumerate(whose)]
    order = []
    for _turn in runs:
        executor = Counts()
        dispatcher = Dispatcher(tmp_path, executor)
        dispatcher.turn()
        dispatcher.index.close()
        (run_id,) = executor.started
        run = runs[int(run_id, 16)]
        lock, writer = run.lock(), EventWriter(run.path)
        assert lock
        for event in (Claimed(1), Started(0, 100, 100, "cpu", 1, 100), Finished(100)):
            writer.write(event)
        writer.close()
        lock.close()
        order.append(run.run().owner)
    assert order == ["Ada", "Grace", "Alan", "Ada", "Grace", "Ada"]

"""Runs on a real Ray cluster, of which one part after another is killed: each finishes with the weights of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.runs import client, cluster
from fmnist_core.runs.bell import LOCK, REPOSITORY
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Died, Interrupted, State
from fmnist_core.runs.service.cluster.connection import MISMATCH, NO_NODE, REFUSED
from fmnist_core.runs.service.cluster.mirror import PREFIX
from fmnist_core.training.events import Losses
from tests.runs.lab import SMALL, Lab, assert_same_result, command, events, is_alive, is_locked, recorded, wait_until
from tests.runs.raylets import ADDRESS, FAR, HEAD, OURS, WORKERS, Raylets, skip_without_cluster

pytestmark = pytest.mark.slow

TRAINED = replace(SMALL, epochs=3)
"""Long enough for four of them to train at once, though their nodes start one after the other."""
PYTHON = ".".join(map(str, sys.version_info[:3]))
LONG = 400.0
"""Seconds: nodes start cold, on a machine that all of them share."""


class ClusterLab(Lab):
    """A runs folder whose dispatcher gives runs to a cluster."""

    raylets: Raylets

    @property
    def environment(self) -> dict[str, str]:
        """As the raylets have it."""
        return self.raylets.environment

    def start_cluster_dispatcher(self) -> subprocess.Popen[bytes]:
        """Within the namespace, where the cluster can be reached."""
        process = subprocess.Popen(
            [*self.raylets.within, sys.executable, "-m", "fmnist_core.runs.service.dispatcher", str(self.runs)],
            stdin=subprocess.DEVNULL,
            stdout=open(self.runs.parent / "dispatcher.out", "ab"),  # noqa: SIM115 - the child's
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env=self.environment,
            start_new_session=True,
        )
        self.children.append(process)
        wait_until((self.runs / LOCK).exists)
        wait_until(lambda: is_locked(self.runs / LOCK))
        return process

    def trains(self, run: RunFolder, steps: int = 1) -> None:
        """Until so many steps have come."""
        wait_until(lambda: recorded(run).step >= steps, LONG, lambda: self.tell(run))

    def finishes(self, run: RunFolder) -> None:
        wait_until(lambda: recorded(run).state.is_final, LONG, lambda: self.tell(run))
        assert recorded(run).state is State.FINISHED, self.tell(run)

    def tell(self, run: RunFolder) -> str:
        log = run.path / "worker.log"
        out = (self.runs.parent / "dispatcher.out").read_text()[-3000:]
        return f"{recorded(run)}\n{cluster.place(run.path)}\n{log.read_text()[-3000:] if log.exists() else ''}\n{out}"

    def proxy(self, run: RunFolder) -> int:
        return next(pid for pid in self.processes() if ".cluster.proxy" in command(pid) and run.id in command(pid))

    def actor(self, run: RunFolder) -> int:
        """Ray's process on the node, which calls the mirror."""
        guard = next(pid for pid in self.processes() if ".guard" in command(pid) and run.id in command(pid))
        return int(Path(f"/proc/{guard}/stat").read_text().rpartition(")")[2].split()[1])

    def worker(self, run: RunFolder) -> int:
        """The process that trains, on whichever node."""
        return next(
            pid
            for pid in self.processes()
            if "service.worker" in command(pid) and ".guard" not in command(pid) and run.id in command(pid)
        )


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterLab]:
    """A cluster of three nodes, two of which train, and a dispatcher."""
    skip_without_cluster()
    folder = tmp_path_factory.mktemp("cluster")
    lab = ClusterLab(folder / "runs")
    lab.runs.mkdir()
    lab.raylets = Raylets(folder, Lab(lab.runs).environment | {"FMNIST_COMPILED": "0", "FMNIST_SNAPSHOTS": "0"})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        try:
            lab.raylets.start()
            lab.start_cluster_dispatcher()
            yield lab
        finally:
            lab.close()
            lab.raylets.close()


@pytest.fixture(scope="module")
def expected(there: ClusterLab) -> RunFolder:
    """The run LONGER, trained on this machine by nobody but a worker."""
    runs = there.runs.parent / "here"
    runs.mkdir()
    run = RunFolder.create(runs, "0" * 12, 1, "", TRAINED)
    there.start_worker(run)
    wait_until(lambda: recorded(run).state is State.FINISHED, LONG)
    return run


def test_the_same_bits_as_here(there: ClusterLab, expected: RunFolder):
    """A run on a node is the one that this machine would have trained, down to the last bit; pages know where it is."""
    run = there.create(TRAINED)
    wait_until(
        lambda: (place := cluster.place(run.path)) is not None and place.phase == "training",
        LONG,
        lambda: there.tell(run),
    )
    place = cluster.place(run.path)
    assert place
    assert place.node in WORKERS
    known = cluster.cluster(there.runs)
    assert known
    assert not known.trouble
    assert {node.address for node in known.nodes} == set(WORKERS)
    there.finishes(run)
    wait_until(lambda: not is_locked(run.path / "worker.lock"))
    assert_same_result(run, expected)
    assert run.weight_steps() == expected.weight_steps()
    assert cluster.place(run.path) is None


def test_four_at_once_while_parts_are_killed(there: ClusterLab, expected: RunFolder):
    """Remote worker, local proxy, actor and dispatcher are killed under four runs: all of them finish as if nothing had been."""
    runs = [there.create(TRAINED) for _number in range(4)]
    for run in runs:
        there.trains(run)
    os.kill(there.worker(runs[0]), signal.SIGKILL)
    os.kill(there.proxy(runs[1]), signal.SIGKILL)
    os.kill(there.actor(runs[2]), signal.SIGKILL)
    dispatcher = there.dispatcher
    assert dispatcher
    os.kill(dispatcher, signal.SIGKILL)
    wait_until(lambda: not is_alive(dispatcher))
    there.start_cluster_dispatcher()
    for run in runs:
        there.finishes(run)
        assert_same_result(run, expected)
    assert [len(events(run, Died)) for run in runs] == [1, 1, 1, 0]


def on_both_nodes(there: ClusterLab) -> tuple[list[RunFolder], list[RunFolder]]:
    """Three runs that train; those of them that are on the far node."""
    runs = [there.create(TRAINED) for _number in range(3)]
    for run in runs:
        there.trains(run)
    far = [run for run in runs if (place := cluster.place(run.path)) and place.node == FAR]
    assert far
    return runs, far


def test_a_node_is_lost(there: ClusterLab, expected: RunFolder):
    """A raylet is killed with all that it started: its runs go on elsewhere, and nobody calls that their death."""
    runs, lost = on_both_nodes(there)
    there.raylets.kill_node(FAR)
    for run in runs:
        there.finishes(run)
        assert_same_result(run, expected)
        assert not events(run, Died)
    assert any(events(run, Interrupted) for run in lost)
    there.raylets.start_node(FAR, 2)


def test_the_network_to_a_node_is_lost(there: ClusterLab, expected: RunFolder):
    """A cable is pulled: the runs beyond it go on elsewhere, nobody calls that their death, and what goes on there ends by itself."""
    runs, lost = on_both_nodes(there)
    beyond = [there.worker(run) for run in lost]
    there.raylets.cut()
    for run in runs:
        there.finishes(run)
        assert_same_result(run, expected)
        assert not events(run, Died)
    assert all(events(run, Interrupted) for run in lost)
    wait_until(lambda: not any(map(is_alive, beyond)), LONG)
    there.raylets.join()
    wait_until(lambda: there.raylets.nodes[FAR].poll() is not None, LONG, lambda: there.raylets.log(FAR))
    there.raylets.start_node(FAR, 2)


def test_steered_on_a_node(there: ClusterLab):
    """Pause, a step, resume, stop: as here."""
    run = there.create(TRAINED)
    there.trains(run)
    client.pause(run.id)
    wait_until(lambda: recorded(run).state is State.PAUSED, LONG)
    step = recorded(run).step
    client.step_once(run.id)
    wait_until(lambda: recorded(run).step == step + 1, LONG)
    assert run.single_step(step + 1).step == step + 1
    client.resume(run.id)
    wait_until(lambda: len(events(run, Claimed)) == 2, LONG)
    client.stop(run.id)
    wait_until(lambda: recorded(run).state is State.STOPPED, LONG, lambda: there.tell(run))


def test_events_and_answers_come_at_once(there: ClusterLab):
    """What the worker there writes is here a moment later, and what is asked here is done there; -s prints how long that takes."""
    run = there.create(TRAINED)
    there.trains(run)
    scratch = next(Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{run.id}/events.jsonl"))
    proxy, delays, steered = there.proxy(run), [], []
    began, computed = time.monotonic(), seconds_of(proxy)
    mirrored = run.path / "events.jsonl"
    while recorded(run).state is State.RUNNING and time.monotonic() - began < 20:
        size = size_of(scratch)
        while size_of(scratch) == size and scratch.exists():
            time.sleep(0.001)
        size, at = size_of(scratch), time.monotonic()
        while size_of(mirrored) < size:
            time.sleep(0.001)
        delays.append(time.monotonic() - at)
        if len(delays) % 20 == 10:
            asked = time.monotonic()
            run.ask_for_change(0.1 + len(delays) / 1e6, None)
            wait_until(lambda: not run.changes_asked() or recorded(run).state.is_final)
            steered.append(time.monotonic() - asked)
    share = (seconds_of(proxy) - computed) / (time.monotonic() - began)
    there.finishes(run)
    delays.sort()
    steered.sort()
    print(
        f"\nevents after {1e3 * delays[len(delays) // 2]:.0f} ms (95 %: {1e3 * delays[int(len(delays) * 0.95)]:.0f}); "
        f"changes answered after {1e3 * steered[len(steered) // 2]:.0f} ms; the process here takes {share:.1%} of a core"
    )
    assert delays[len(delays) // 2] < 1
    assert steered[-1] < 30


def size_of(path: Path) -> int:
    """Bytes; of a file that is gone, none."""
    return path.stat().st_size if path.exists() else 0


def seconds_of(pid: int) -> float:
    """Processor time of a process; of one that has ended, nothing."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("program", "environment", "sentence"),
    [
        ("", {"RAY_AUTH_TOKEN": "0" * 64}, REFUSED.format(address=ADDRESS)),
        (
            "import ray; ray.__version__ = '2.59.0'",
            {},
            MISMATCH.format(
                address=ADDRESS, theirs=f"Ray 2.60.0 and Python {PYTHON}", ours=f"Ray 2.59.0 and Python {PYTHON}"
            ),
        ),
        (
            "import ray; import sys; sys.version_info = (*sys.version_info[:2], 99, 'final', 0)",
            {},
            MISMATCH.format(
                address=ADDRESS,
                theirs=f"Ray 2.60.0 and Python {PYTHON}",
                ours=f"Ray 2.60.0 and Python {PYTHON.rpartition('.')[0]}.99",
            ),
        ),
        ("", {"FMNIST_RAY_NODE": "10.9.0.9"}, NO_NODE.format(address=ADDRESS)),
    ],
    ids=["another token", "another Ray", "another Python", "no node"],
)
def test_who_may_not_come_in(
    there: ClusterLab, tmp_path: Path, program: str, environment: dict[str, str], sentence: str
):
    """A lab that the cluster does not admit is told why, in a sentence with the way out; Ray itself only prints."""
    program += f"""
from fmnist_core.runs.service.cluster.connection import NotConnected, connect
try:
    connect("{ADDRESS}", print)
except NotConnected as why:
    print(why)
"""
    with (tmp_path / "log").open("wb") as log:
        said = subprocess.run(
            [*there.raylets.within, sys.executable, "-c", program],
            stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY, env=there.environment | environment, check=False, text=True,
        ).stdout  # fmt: skip
    assert sentence in said, (tmp_path / "log").read_text()[-2000:]


def test_the_head_goes_away(there: ClusterLab, expected: RunFolder):
    """Without its head the cluster is said to be away, runs wait with what they have, and go on when it is back."""
    run = there.create(TRAINED)
    there.trains(run)
    there.raylets.kill_node(HEAD)
    wait_until(
        lambda: recorded(run).state is State.QUEUED or recorded(run).state.is_final, LONG, lambda: there.tell(run)
    )
    wait_until(lambda: "No Ray cluster answers" in (client.trouble() or ""), LONG, client.trouble)
    waiting = there.create(TRAINED)
    for address in (FAR, OURS):
        there.raylets.kill_node(address)
    there.raylets.start()
    for each in (run, waiting):
        there.finishes(each)
        assert_same_result(each, expected)
    assert client.trouble() is None
    assert not events(waiting, Died)
    assert sum(len(event.losses) for event in events(run, Losses)) == 300

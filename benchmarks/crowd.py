"""Many who follow one run on Train: how long a full rerun and a poll take, and what training loses to them.

python -m benchmarks.crowd [--followers 25 50 100] [--servers 1] [--seconds 20] [--every 5] [--training] [--tree FOLDER …]
QUICK=1: 12 followers for 8 seconds

A follower is a websocket session of Streamlit's own protocol, without a browser: it opens the page, runs the whole script again
about every 5 seconds (`--every 0`: it only watches), runs fragments as often as the server asks, and polls what the page's
components poll, as often as they would. All of them open within a quarter of the time. The followers are processes of this
machine too: what they take is told beside what the servers and the dispatcher take. Without `--training` nothing trains: events of a run are
written down as training would write them. `--tree`: the same of the program in other folders, by turns, to compare. On
127.0.0.1 only. Needs /proc (Linux).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import turns
from benchmarks.followers import EVERY, costs, crowd
from benchmarks.pages import MB
from benchmarks.processes import cpu, own_runs, processes, wait_until
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Claimed, Finished
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses, Started

WANTED = 1.0
"""Seconds within which 95 of 100 full reruns are done."""
KINDS = {
    "first": "first page",
    "full": "full rerun",
    "settled": "of them, with all pages open",
    "fragment": "fragment",
    "poll": "poll",
}
WHO = ("server", "followers", "dispatcher")
"""Whose share of the processors is told; who trains takes the rest."""


# --- What they follow ----------------------------------------------------------------------------------------------


@contextmanager
def run_without_training() -> Iterator[str]:
    """A run whose losses are written down five times a second, and nobody computes them."""
    runs = client.runs_folder()
    runs.mkdir(parents=True, exist_ok=True)
    config = TrainingConfig(device="cpu", epochs=200)
    folder = RunFolder.create(runs, f".{'c' * 12}", next_sequence(runs), "followed", config)
    lock = folder.lock()
    writer, over = EventWriter(folder.path), threading.Event()
    folder.path.rename(runs / ("c" * 12))  # it begins with its lock held, so that nobody trains it
    writer.write(Claimed(os.getpid()))
    writer.write(Started(0, config.total_steps, config.steps_per_epoch, "cpu", 1, 27_480))

    def write() -> None:
        step = 0
        while not over.wait(0.2):
            writer.write(Losses(step, tuple(random.random() for _ in range(100)), step / 500))
            step += 100
        writer.write(Finished(step))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield "c" * 12
    finally:
        over.set()
        thread.join()
        assert lock
        lock.close()


@contextmanager
def run_in_training() -> Iterator[str]:
    """The tutorial's network, for as long as it is followed."""
    run = client.start(TrainingConfig(device="cpu", epochs=200), "followed")
    wait_until(lambda: client.get(run).step > 0, "the first step")
    try:
        yield run
    finally:
        client.stop(run)
        wait_until(lambda: not client.get(run).is_active, "the stop")


def speed(run: str, seconds: float) -> float:
    """Images a second over the next `seconds`."""
    before, began = client.get(run), time.perf_counter()
    time.sleep(seconds)
    return (client.get(run).step - before.step) * before.images_per_step / (time.perf_counter() - began)


# --- The servers ---------------------------------------------------------------------------------------------------


class Server:
    """One process that shows pages."""

    def __init__(self, tree: Path, port: int) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        self.process = subprocess.Popen(
            command,
            cwd=tree,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(tree)},
        )
        self.port = port
        wait_until(self._listens, "the server's start")

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self.process.returncode}: is port {self.port} taken?")
        try:
            asyncio.run(self._health())
        except OSError:
            return False
        return True

    async def _health(self) -> None:
        _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.close()

    @property
    def cpu(self) -> float:
        """Seconds of a processor so far."""
        return cpu(self.process.pid)

    @property
    def memory(self) -> float:
        """Resident, in MB."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MB

    @property
    def open_files(self) -> int:
        """Sockets among them."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def measure(tree: Path, arguments: argparse.Namespace, followers: int) -> dict[str, object]:
    """One crowd before fresh servers."""
    servers: list[Server] = []
    with own_runs():
        try:
            servers += [Server(tree, arguments.port + number) for number in range(arguments.servers)]
            with (run_in_training if arguments.training else run_without_training)() as run:
                return asked(servers, run, arguments, followers)
        finally:
            for server in servers:
                server.close()


def asked(servers: list[Server], run: str, arguments: argparse.Namespace, followers: int) -> dict[str, object]:
    """What followers of `run` find there, and what it takes."""
    files: list[int] = []
    found: dict[str, object] = dict(asyncio.run(costs(servers[0].port, lambda: servers[0].cpu, run, 20, 300)))
    alone = speed(run, arguments.seconds / 2) if arguments.training else 0.0
    dispatching = dispatchers()  # none yet, perhaps: a server that gets warm starts it later
    before, began = client.get(run), time.perf_counter()
    taken = [-sum(server.cpu for server in servers), -time.process_time(), 0.0]
    threading.Timer(arguments.seconds, lambda: files.extend(server.open_files for server in servers)).start()
    ports = [server.port for server in servers]
    measured = asyncio.run(crowd(ports, run, followers, arguments.seconds, arguments.every))
    seconds = time.perf_counter() - began
    images = (client.get(run).step - before.step) * before.images_per_step
    spent = sum(seconds - dispatching.get(pid, 0.0) for pid, seconds in dispatchers().items())
    now = (sum(server.cpu for server in servers), time.process_time(), spent)
    taken = [before + after for before, after in zip(taken, now, strict=True)]
    for kind in KINDS:
        if values := sorted(measured.seconds[kind]):
            found[kind] = [len(values), *(round(quantile(values, part), 3) for part in (0.5, 0.95))]
    found |= {
        "followers": followers,
        **{f"{who}_cores": round(what / seconds, 3) for who, what in zip(WHO, taken, strict=True)},
        "memory_mb": round(max(server.memory for server in servers)),
        "open_files": max(files, default=0),
        "faults": dict(measured.faults),
    }
    if arguments.training:
        found |= {"images_per_s_alone": round(alone), "images_per_s": round(images / seconds)}
    return found


def dispatchers() -> dict[int, float]:
    """Seconds of a processor that each has taken so far."""
    return {pid: cpu(pid) for pid, command in processes().items() if "service.dispatcher" in command}


def quantile(values: list[float], part: float) -> float:
    """Of one sorted value at least."""
    return values[min(len(values) - 1, int(part * len(values)))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--followers", type=int, nargs="+", default=[12] if turns.IS_QUICK else [25, 50, 100])
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=8.0 if turns.IS_QUICK else 20.0)
    parser.add_argument("--every", type=float, default=EVERY, help="seconds between two clicks of a follower; 0: none")
    parser.add_argument("--port", type=int, default=8740)
    parser.add_argument("--training", action="store_true")
    parser.add_argument("--tree", type=Path, nargs="+", default=[turns.ROOT])
    arguments = parser.parse_args()
    rows, found = [], []
    for followers in arguments.followers:
        for tree in arguments.tree:
            one = measure(tree.resolve(), arguments, followers) | {"tree": tree.resolve().name}
            found.append(one)
            name = f"{followers} followers" + (f", {tree.resolve().name}" if len(arguments.tree) > 1 else "")
            for kind, what in KINDS.items():
                if kind not in one:
                    continue
                count, middle, most = one[kind]  # type: ignore[misc]
                wanted = f"{WANTED:g} at most" if kind == "full" else ""
                rows.append((f"{name}: {what}, s ({count})", f"{middle:.3f}, 95 % within {most:.3f}", wanted))
            rows.append(
                (f"{name}: one alone, CPU ms of a rerun, of a poll", f"{one['rerun_ms']}, {one['poll_ms']}", "")
            )
            rows.append(
                (
                    f"{name}: cores of server, followers, dispatcher; MB, open files",
                    f"{', '.join(str(one[f'{who}_cores']) for who in WHO)}; {one['memory_mb']}, {one['open_files']}",
                    "",
                )
            )
            if arguments.training:
                rows.append(
                    (
                        f"{name}: images a second, alone {one['images_per_s_alone']}",
                        f"{one['images_per_s']}",
                        "80 % at least",
                    )
                )
            if one["faults"]:
                rows.append((f"{name}: went wrong", str(one["faults"]), "nothing"))
    turns.report(
        "crowd",
        rows,
        {"servers": arguments.servers, "every": arguments.every, "training": arguments.training, "found": found},
    )


if __name__ == "__main__":
    main()

"""Runs on a cluster: for each a small process here that follows it; and one that looks at the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from fmnist_core.runs import environment
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.cluster import Cluster, cluster
from fmnist_core.runs.queue import slots_of
from fmnist_core.runs.service.executor import LocalExecutor

AGAIN_AFTER = 5.0
"""Seconds between two attempts to look at the cluster."""
LOOKED_FOR = "Looking for the cluster at {address}: this takes up to a minute."


class ClusterExecutor:
    """An `Executor`; what needs no cluster it leaves to the one of this machine.

    Only the processes that it starts know Ray, because Ray may end them.
    """

    def __init__(self, runs: Path, here: LocalExecutor) -> None:
        self.runs, self._here = runs, here
        self.address = environment.cluster() or ""
        self._proxies: dict[Path, subprocess.Popen[bytes]] = {}
        self._watch: subprocess.Popen[bytes] | None = None
        self._watched_at = -AGAIN_AFTER

    def start(self, folder: Path, slot: str = "") -> None:
        """Which node takes it is the cluster's choice, whatever the slot."""
        self._proxies[folder] = self._popen("proxy", folder, subprocess.DEVNULL)

    def develop(self, runs: Path) -> None:
        """On this machine: all of it is here."""
        self._here.develop(runs)

    def is_at_work(self, folder: Path) -> bool:
        """Told by the process here, which waits with the run until a node has room."""
        return folder in self._proxies or self._here.is_at_work(folder)

    def kill(self, folder: Path) -> None:
        """The worker there ends, too, when nobody follows it."""
        self._here.kill(folder)
        if proxy := self._proxies.pop(folder, None):
            proxy.kill()
            proxy.wait()

    def look_after(self, *, spare: bool) -> None:
        """No spare: nodes start cold."""
        self._here.look_after(spare=False)
        self._proxies = {folder: proxy for folder, proxy in self._proxies.items() if proxy.poll() is None}
        if (not self._watch or self._watch.poll() is not None) and time.monotonic() - self._watched_at > AGAIN_AFTER:
            self._watched_at = time.monotonic()
            self._forget_watch()
            self._watch = self._popen("watch", self.runs, subprocess.PIPE)

    def slots(self, wanted: int | None) -> tuple[str, ...]:
        """As many as the cluster has room for; none while it cannot be used, so that nobody tries in vain."""
        found = self._found()
        if found is None or found.trouble:
            return ()
        if wanted:
            return slots_of(0, wanted)
        runs = sum(int(node.cpus // environment.threads()) for node in found.nodes)
        gpus = min(self.gpus(), runs)
        return (*(f"cuda:{number}" for number in range(gpus)), *("cpu",) * (runs - gpus))

    def trouble(self) -> str:
        """Why nothing can train on the cluster."""
        found = self._found()
        return found.trouble if found else LOOKED_FOR.format(address=self.address)

    def devices(self) -> tuple[str, ...]:
        """Of all nodes together."""
        return ("cuda", "cpu") if self.gpus() else ("cpu",)

    def gpus(self) -> int:
        """Of all nodes together."""
        found = self._found()
        return int(sum(node.gpus for node in found.nodes)) if found else 0

    def close(self) -> None:
        """Runs go on. Who looks at the cluster ends with its standard input."""
        self._forget_watch()
        self._here.close()

    def _found(self) -> Cluster | None:
        return cluster(self.runs)

    def _forget_watch(self) -> None:
        if self._watch and self._watch.stdin:
            self._watch.stdin.close()

    def _popen(self, module: str, folder: Path, stdin: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", f"fmnist_core.runs.service.cluster.{module}", str(folder)],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            cwd=REPOSITORY,
            env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
            start_new_session=True,  # a Ctrl-C meant for the web server is not meant for a run
        )

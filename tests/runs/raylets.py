"""A real Ray cluster for tests: the head and the lab's own node in one network namespace, another node in a second one.

The two are joined by a link that can be cut, as a cable is pulled. Ray listens on all addresses of a machine; within the
namespaces there is nobody else to hear it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from fmnist_core.runs.bell import REPOSITORY
from tests.runs.lab import is_alive, wait_until

HEAD, PORT = "10.9.0.2", 6380
ADDRESS = f"{HEAD}:{PORT}"
FAR = "10.9.0.3"
"""The node at the other end of the link."""
OURS = "10.9.0.4"
"""The address of the lab's own machine, on which nothing trains."""
WORKERS = (HEAD, FAR)
CPUS = 2
"""Of each node that trains."""
STARTS_WITHIN = 180.0


def why_not() -> str:
    """Why there can be no cluster here; empty where there can."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed (requirements-cluster.txt)"
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        return "there are no network namespaces here (util-linux, iproute2)"
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    return "network namespaces are forbidden here" if tried.returncode else ""


class Raylets:
    """Started and ended by the test; every process of it has the mark of the lab in its environment."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.environment = environment | {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "4000",
            "RAY_health_check_failure_threshold": "3",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "60",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            "FMNIST_RAY": ADDRESS,
            "FMNIST_RAY_NODE": OURS,
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        }
        self._space = self._open_space(["unshare", "-rn"])
        self.within = ("nsenter", "-t", str(self._space.pid), "-U", "-n", "--preserve-credentials")
        """What a command begins with that is to run where the head and the lab are."""
        self._far = self._open_space([*self.within, "unshare", "-n"])
        self._beyond = ("nsenter", "-t", str(self._far.pid), "-U", "-n", "--preserve-credentials")
        for words in (
            "add switch type bridge",
            f"add cable type veth peer name cable netns {self._far.pid}",
            "set cable master switch",
            "set cable up",
            "set switch up",
        ):
            self._ip(self.within, "link", *words.split())
        for address in (HEAD, OURS):
            self._ip(self.within, "address", "add", f"{address}/24", "dev", "switch")
        self._ip(self._beyond, "address", "add", f"{FAR}/24", "dev", "cable")
        self._ip(self._beyond, "link", "set", "cable", "up")
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}

    def _open_space(self, opens: list[str]) -> subprocess.Popen[bytes]:
        """A network namespace in which there is nothing but a loopback; it is there as long as the process."""
        space = subprocess.Popen(
            [*opens, "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE,
            env=self.environment,
        )
        assert space.stdout
        assert space.stdout.readline() == b"up\n"
        return space

    def _ip(self, within: Sequence[str], *words: str) -> None:
        subprocess.run([*within, "ip", *words], check=True)

    def cut(self) -> None:
        """From now on nothing comes from one end of the link to the other, and nobody is told."""
        self._ip(self.within, "link", "set", "cable", "down")

    def join(self) -> None:
        self._ip(self.within, "link", "set", "cable", "up")

    def start(self) -> None:
        """The head, which trains too, another node, and the lab's own, which does not."""
        self.start_node(HEAD, CPUS)
        for address in WORKERS[1:]:
            self.start_node(address, CPUS)
        self.start_node(OURS, 0)

    def start_node(self, address: str, cpus: int) -> None:
        """Returns when it answers; its processes are one group."""
        role = (
            ("--head", f"--port={PORT}", "--include-dashboard=false", "--disable-usage-stats")
            if address == HEAD
            else (f"--address={ADDRESS}",)
        )
        within = self._beyond if address == FAR else self.within
        log = open(self._folder / f"ray-{address}-{len(self.nodes)}.log", "wb")  # noqa: SIM115 - the child's
        # short: a path of a Unix socket has 107 characters at most
        temporary = (f"--temp-dir={self.short}",) if address == HEAD else ()
        self.nodes[address] = subprocess.Popen(
            [
                *within, sys.executable, "-m", "ray.scripts.scripts", "start", *role, f"--node-ip-address={address}",
                f"--num-cpus={cpus}", "--num-gpus=0", "--object-store-memory=80000000", "--block", *temporary,
            ],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=REPOSITORY, env=self.environment, start_new_session=True,
        )  # fmt: skip
        log.close()

        def is_up() -> bool:
            assert self.nodes[address].poll() is None, self.log(address)
            return b"Ray runtime started" in self.log(address)

        wait_until(is_up, STARTS_WITHIN, lambda: self.log(address))

    @property
    def short(self) -> Path:
        return Path("/tmp") / f"fl-{os.getpid()}"

    def log(self, address: str) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self._folder.glob(f"ray-{address}-*.log")))

    def kill_node(self, address: str) -> None:
        """SIGKILL to the raylet and all that it started; with the head's, to that as well."""
        node = self.nodes.pop(address)
        for pid in (pids := tree(node.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        node.wait()
        wait_until(lambda: not any(map(is_alive, pids)))

    def close(self) -> None:
        for address in list(self.nodes):
            self.kill_node(address)
        for space in (self._far, self._space):
            space.kill()
            space.wait()
        shutil.rmtree(self.short, ignore_errors=True)


def tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    found, parents = [pid], {}
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                parents[int(entry.name)] = int(Path(entry.path, "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    for parent in found:
        found += [child for child, of in parents.items() if of == parent]
    return found


def skip_without_cluster() -> None:
    if why := why_not():
        pytest.skip(f"no Ray cluster can be started: {why}")

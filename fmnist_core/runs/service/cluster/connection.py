"""The connection to a Ray cluster, for processes that may die of it: nobody else imports Ray.

When the head's control store (GCS) dies, Ray ends the process that is connected, without an exception; connecting to one
that is not there takes minutes. So others ask `is_there` first, and `connect` gives up by ending the process.
"""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from fmnist_core.runs.bell import REPOSITORY

CONNECTS_WITHIN = 60.0
"""Seconds, on a busy machine. A wrong token takes Ray 20."""
PROBES_WITHIN = 3.0
SENT = ("fmnist_core", "data")
"""What of this repository nodes need: 31 MB, kept there as long as somebody is connected."""

AWAY = (
    "No Ray cluster answers at {address}: start its head there (docs/cluster.md), or unset FMNIST_RAY and restart to train on "
    "this machine. Runs wait, and go on by themselves."
)
NO_NODE = (
    "This machine is no node of the cluster at {address}: run `ray start --address={address} --num-cpus=0` here, with the same "
    "token. Runs wait, and go on by themselves."
)
REFUSED = "The cluster at {address} refuses the token of this machine: copy ~/.ray/auth_token from its head. Runs wait."
MISMATCH = (
    "The cluster at {address} was started with {theirs}, this machine has {ours}: install the same on all machines, to the last "
    "digit. Runs wait, and go on by themselves."
)


class NotConnected(Exception):
    """Why not: a sentence for the page."""


def is_there(address: str) -> bool:
    """Whether something listens at the head's address."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), PROBES_WITHIN).close()
    except OSError:
        return False
    return True


def connect(address: str, give_up: Callable[[str], None]) -> None:
    """Raises NotConnected; where Ray does not come back at all, calls `give_up` with a sentence and ends this process."""
    if not is_there(address):
        raise NotConnected(AWAY.format(address=address))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # nodes have an environment of their own
    import ray

    def end() -> None:
        """Where the head answers, Ray waits for a node on this machine: five minutes and more, without a word."""
        give_up((NO_NODE if is_there(address) else AWAY).format(address=address))
        os._exit(75)

    alarm = threading.Timer(CONNECTS_WITHIN, end)
    alarm.daemon = True
    alarm.start()
    excluded = [f"/{entry.name}" for entry in REPOSITORY.iterdir() if entry.name not in SENT]
    try:
        ray.init(
            address,
            _node_ip_address=os.environ.get("FMNIST_RAY_NODE"),
            namespace="fashion-mnist-lab",
            log_to_driver=False,
            logging_level="error",
            runtime_env={"working_dir": str(REPOSITORY), "excludes": [*excluded, "__pycache__"]},
        )
    except Exception as error:
        raise NotConnected(_sentence(address, error)) from error
    finally:
        alarm.cancel()


def _sentence(address: str, error: Exception) -> str:
    if "Version mismatch" in str(error):
        found = re.findall(r"(Ray|Python): ([0-9]\S*)", str(error))  # theirs, then ours
        theirs, ours = (" and ".join(f"{name} {number}" for name, number in two) for two in (found[:2], found[2:]))
        return MISMATCH.format(address=address, theirs=theirs or "other versions", ours=ours or "its own")
    if _was_refused():
        return REFUSED.format(address=address)
    if isinstance(error, ConnectionError):
        return NO_NODE.format(address=address)
    return f"The cluster at {address} cannot be used: {str(error).splitlines()[0][:300] if str(error) else type(error).__name__}"


def _was_refused() -> bool:
    """Ray says so only in what it prints, which goes to a file."""
    try:
        printed = Path("/proc/self/fd/2").read_bytes()[-20_000:]
    except OSError:
        return False
    return b"InvalidAuthToken" in printed

"""Settings that come from the environment: read in one place, refused with a sentence."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

from fmnist_core.settings.ranges import Whole

SLOTS, SNAPSHOTS, SEATS, SWITCH = Whole(1, 64), Whole(0, 10_000), Whole(1, 10_000), Whole(0, 1)
_ADDRESS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?:([0-9]{1,5})")


def slots() -> int | None:
    """`$FMNIST_SLOTS`: runs that train at once; None: as many as the machine has devices. Raises ValueError."""
    return _read("FMNIST_SLOTS", SLOTS)


def snapshots() -> int | None:
    """`$FMNIST_SNAPSHOTS`: snapshots of a run; None: the usual number. Raises ValueError."""
    return _read("FMNIST_SNAPSHOTS", SNAPSHOTS)


def reuse() -> bool:
    """`$FMNIST_REUSE`: whether a worker that has finished a run may have the next one; by default it may. Raises ValueError."""
    return _read("FMNIST_REUSE", SWITCH) != 0


def seats() -> int | None:
    """`$FMNIST_SEATS`: open pages of one server process before it says that it is full; None: the usual number. Raises ValueError."""
    return _read("FMNIST_SEATS", SEATS)


def cluster() -> str | None:
    """`$FMNIST_RAY`: where the head of a Ray cluster listens, "10.0.0.1:6379" say; None: runs train on this machine.

    Raises ValueError: for what is no address, and where Ray or what keeps strangers out is missing.
    """
    if not (text := os.environ.get("FMNIST_RAY", "").strip()):
        return None
    match = _ADDRESS.fullmatch(text)
    if not match or not 0 < int(match[1]) < 1 << 16:
        raise ValueError(
            f"FMNIST_RAY must be the address of a Ray cluster's head, such as 10.0.0.1:6379, or empty, and is {text[:60]!r}: "
            f"set it anew and restart."
        )
    if importlib.util.find_spec("ray") is None:
        raise ValueError(
            "FMNIST_RAY is set, and Ray is not installed: pip install -r requirements-cluster.txt, or unset FMNIST_RAY."
        )
    if os.environ.get("RAY_AUTH_MODE") != "token" or not _has_token():
        raise ValueError(
            "FMNIST_RAY is set without a token: whoever reaches such a cluster can run any program on it. Set "
            "RAY_AUTH_MODE=token on every machine, with the same token in ~/.ray/auth_token (docs/cluster.md)."
        )
    return text


def _has_token() -> bool:
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    return bool(os.environ.get("RAY_AUTH_TOKEN")) or Path(os.path.expanduser(file)).is_file()


def threads() -> int:
    """`$OMP_NUM_THREADS`, else 1: threads of a run on a cluster, which takes as many CPUs there."""
    return max(1, int(text)) if (text := os.environ.get("OMP_NUM_THREADS", "")).isdecimal() else 1


def check() -> None:
    """Raises ValueError for a setting that cannot be."""
    slots()
    snapshots()
    reuse()
    seats()
    cluster()


def _read(name: str, range: Whole) -> int | None:
    if not (text := os.environ.get(name, "").strip()):
        return None
    if (value := range.read(text)) is None:
        raise ValueError(f"{name} must be {range.wanted}, or empty, and is {text[:40]!r}: set it anew and restart.")
    return value

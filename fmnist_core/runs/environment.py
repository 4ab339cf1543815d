"""Settings that come from the environment: read in one place, refused with a sentence."""

from __future__ import annotations

import os

from fmnist_core.settings.ranges import Whole

SLOTS, SNAPSHOTS, SEATS, SWITCH = Whole(1, 64), Whole(0, 10_000), Whole(1, 10_000), Whole(0, 1)


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


def check() -> None:
    """Raises ValueError for a setting that cannot be."""
    slots()
    snapshots()
    reuse()
    seats()


def _read(name: str, range: Whole) -> int | None:
    if not (text := os.environ.get(name, "").strip()):
        return None
    if (value := range.read(text)) is None:
        raise ValueError(f"{name} must be {range.wanted}, or empty, and is {text[:40]!r}: set it anew and restart.")
    return value

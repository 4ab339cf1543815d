"""Executors for tests of the dispatcher alone."""

from __future__ import annotations

from pathlib import Path

from fmnist_core.runs.queue import slots_of


class NobodyStarts:
    """An Executor that leaves every run where it is."""

    def start(self, folder: Path, slot: str = "") -> None:
        pass

    def develop(self, runs: Path) -> None:
        pass

    def is_at_work(self, folder: Path) -> bool:
        return True

    def kill(self, folder: Path) -> None:
        pass

    def look_after(self, *, spare: bool) -> None:
        pass

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def gpus(self) -> int:
        return 0

    def slots(self, wanted: int | None) -> tuple[str, ...]:
        return slots_of(self.gpus(), wanted)

    def trouble(self) -> str:
        return ""

    def close(self) -> None:
        pass


class Counts(NobodyStarts):
    """An Executor whose workers do nothing."""

    def __init__(self) -> None:
        self.started: list[str] = []

    def start(self, folder: Path, slot: str = "") -> None:
        self.started.append(folder.name)

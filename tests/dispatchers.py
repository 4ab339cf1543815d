"""Dispatchers for tests of what is above them: forks of one process, so that torch is imported once for all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from fmnist_core.runs.index import FILE
from tests.runs.lab import PATIENCE

ROOT = Path(__file__).parents[1]


class Dispatchers:
    """Starts and ends them, one for each runs folder."""

    def __init__(self) -> None:
        self._mother = subprocess.Popen(
            [sys.executable, "-m", "tests.runs.forking_dispatcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ
            | {
                "FMNIST_SNAPSHOTS": "8",  # 100 would be developed beside the tests
                "CUDA_VISIBLE_DEVICES": "",
                "OMP_NUM_THREADS": "1",  # a process that has computed with several cannot fork: its child would wait for them
            },
            text=True,
        )
        self._answer()  # which devices there are: it is warm

    def start(self, runs: Path) -> None:
        """Returns when there is an index."""
        assert self._tell(runs) == "started"
        while not (runs / FILE).exists():
            time.sleep(0.02)

    def end(self, runs: Path) -> None:
        """Returns when it has ended as it should."""
        assert self._tell(runs) == "0"

    def close(self) -> None:
        """The process that they come from ends."""
        assert self._mother.stdin
        self._mother.stdin.close()
        self._mother.wait(PATIENCE)

    def _tell(self, runs: Path) -> str:
        assert self._mother.stdin
        self._mother.stdin.write(f"{runs}\n")
        self._mother.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._mother.stdout
        return self._mother.stdout.readline().strip()

"""Studies are asked of runs: the runs folders for tests are those of `tests/runs`."""

from __future__ import annotations

from tests.runs.conftest import lab, shared_lab

__all__ = ["lab", "shared_lab"]

"""Runs as a tree."""

from __future__ import annotations

from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from pages.parts.runs.run_list import as_tree


def run(number: int, parent: int | None = None) -> Run:
    return Run(
        f"{number:012x}", number, "", "2026-01-01", TrainingConfig(), parent=(f"{parent:012x}", 7) if parent else None
    )


def test_branches_follow_the_run_that_they_left():
    """Newest first, as the list is; a branch of a branch is one deeper; an orphan stands by itself; nobody is lost."""
    runs = [run(7, 99), run(6, 4), run(5, 2), run(4, 2), run(3), run(2), run(1)]
    assert [(found.sequence, depth) for found, depth in as_tree(runs)] == [
        (7, 0),
        (3, 0),
        (2, 0),
        (5, 1),
        (4, 1),
        (6, 2),
        (1, 0),
    ]

"""The list of runs, and the words and pictures for the states of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from fmnist_core.runs.record import Run, State
from fmnist_core.runs.text import cell
from fmnist_core.training.events import Measured

STATES: dict[State, tuple[str, str, str]] = {
    State.QUEUED: ("Waiting", ":material/hourglass_empty:", "It starts when a slot is free."),
    State.STARTING: ("Starting", ":material/rocket_launch:", "Getting ready…"),
    State.RUNNING: ("Training", ":material/trending_down:", "You may close this page: the run goes on."),
    State.PAUSED: ("Paused", ":material/pause_circle:", "Everything is kept. Resume it whenever you like."),
    State.FINISHED: ("Finished", ":material/check_circle:", "All steps are done."),
    State.STOPPED: ("Stopped", ":material/stop_circle:", "Ended before its last epoch; what it learned is kept."),
    State.DIVERGED: ("Diverged", ":material/error:", "The loss is no longer a number."),
    State.FAILED: ("Failed", ":material/cancel:", "It could not go on."),
}

NOTHING = "–"
"""Where there is no number."""


def state_words(run: Run) -> str:
    """The state of a run in a word or two, for lists and headings."""
    if run.stalled and run.is_active:
        return "Stalled"
    if run.stopping and run.is_active:
        return "Stopping"
    if run.pausing and run.is_active:
        return "Pausing"
    return STATES[run.state][0]


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(7.25), duration(75), duration(3700), duration(3_600_000)
    ('7.2 s', '1 min 15 s', '1 h 1 min', '1,000 hours')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60} s"
    if seconds < 100 * 3600:
        return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60} min"
    return f"{seconds / 3600:,.0f} hours"


def as_tree(runs: Sequence[Run]) -> list[tuple[Run, int]]:
    """Each run with its depth: branches follow the run that they left, one deeper; else the order stays.

    A branch whose parent is not among `runs` stands by itself.
    """
    known = {run.id for run in runs}
    branches: dict[str, list[Run]] = {}
    for run in runs:
        parent = run.parent[0] if run.parent else ""
        branches.setdefault(parent if parent in known else "", []).append(run)
    found, waiting = [], [(run, 0) for run in reversed(branches.get("", []))]
    while waiting:
        run, depth = waiting.pop()
        found.append((run, depth))
        waiting += [(branch, depth + 1) for branch in reversed(branches.get(run.id, []))]
    return found


def run_list(runs: Sequence[Run], chosen: str = "") -> str | None:
    """All runs as a table, branches indented under their parents; the id of the one that was just clicked, else None."""
    tree = as_tree(runs)
    runs = [run for run, _ in tree]
    table = pd.DataFrame(
        {
            "Run": [cell(_indented(run, depth, run.id == chosen)) for run, depth in tree],
            "State": [state_words(run) for run in runs],
            "Accuracy": [_accuracy(run.latest) for run in runs],
            "Before": [_accuracy(run.before) for run in runs],
            "Epochs": [f"{run.step / run.config.steps_per_epoch:.3g} of {run.config.epochs}" for run in runs],
            "Learning rate": [f"{run.config.learning_rate:g}" for run in runs],
            "Batch": [run.config.batch_size for run in runs],
            "Optimizer": [_optimizer(run) for run in runs],
            "Dropout": [run.config.dropout for run in runs],
            "Seed": [run.config.seed for run in runs],
            "Training time": [duration(run.seconds) for run in runs],
            "Started": [datetime.fromisoformat(run.created_at) for run in runs],
            "Whose": [cell(run.owner) for run in runs],
            "Note": [cell(run.note.partition("\n")[0]) for run in runs],
        }
    )
    percent = st.column_config.NumberColumn(format="%.2f %%", help="Share of the 10,000 test images that are right")
    event = st.dataframe(
        table,
        hide_index=True,
        height=min(38 + 35 * max(len(runs), 1), 430),
        on_select="rerun",
        selection_mode="single-row",
        key=f"runs_{chosen}",  # a new choice starts with nothing selected
        column_config={
            "Run": st.column_config.TextColumn(pinned=True, width="medium"),
            "Accuracy": percent,
            "Before": percent,
            "Started": st.column_config.DatetimeColumn(format="distance"),
        },
    )
    rows = event.selection.rows
    return runs[rows[0]].id if rows and rows[0] < len(runs) else None


def _indented(run: Run, depth: int, is_chosen: bool) -> str:
    indent = "\u2003" * (depth - 1) + "└ " if depth else ""
    return f"{indent}{'▸ ' if is_chosen else ''}{run.title}"


def _accuracy(measured: Measured | None) -> float | None:
    """On the test images, in percent; None where that is not known, or not to be seen yet."""
    return 100 * measured.test.accuracy if measured and measured.test else None


def _optimizer(run: Run) -> str:
    name = {"sgd": "SGD", "nesterov": "Nesterov", "adam": "Adam", "muon": "Muon"}[run.config.optimizer]
    return name if run.config.optimizer == "adam" else f"{name}, momentum {run.config.momentum:g}"

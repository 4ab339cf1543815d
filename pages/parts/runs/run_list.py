"""The list of runs, and the words and pictures for the states of a run."""

from __future__ import annotations

from collections.abc import Sequence

from fmnist_core.runs.files.record import Run, State

STATES: dict[State, tuple[str, str, str]] = {
    State.QUEUED: ("Waiting", ":material/hourglass_empty:", "It starts when a slot is free."),
    State.STARTING: ("Starting", ":material/rocket_launch:", "Getting ready…"),
    State.RUNNING: ("Training", ":material/trending_down:", "You may close this page: the run goes on."),
    State.PAUSED: ("Paused", ":material/pause_circle:", "Everything is kept. Resume it whenever you like."),
    State.FINISHED: ("Finished", ":material/check_circle:", "All steps are done."),
    State.STOPPED: ("Stopped", ":material/stop_circle:", "Ended before its last epoch; its weights are kept."),
    State.DIVERGED: ("Diverged", ":material/error:", "The loss is no longer a number."),
    State.FAILED: ("Failed", ":material/cancel:", "It could not go on."),
}

NOTHING = "–"
"""Where there is no number."""


def state_words(run: Run) -> str:
    """The state of a run in a word or two, for lists and headings."""
    if is_long_measured(run):
        return "Measuring"
    if run.stalled and run.is_active:
        return "Stalled"
    if run.stopping and run.is_active:
        return "Stopping"
    if run.pausing and run.is_active:
        return "Pausing"
    return f"{STATES[run.state][0]}, damaged" if run.fault else STATES[run.state][0]


def is_long_measured(run: Run) -> bool:
    """Whether it has said nothing for a while because there is nothing to say until it is measured."""
    return run.stalled and run.is_measuring


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(0.03), duration(7.25), duration(58), duration(75), duration(3700), duration(3_600_000)
    ('under 0.1 s', '7.2 s', '58 s', '1 min 15 s', '1 h 1 min', '1,000 hours')
    """
    if 0 < seconds < 0.1:
        return "under 0.1 s"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{int(seconds)} s"
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

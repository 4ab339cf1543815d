"""How the terminal says things: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from fmnist_core.export.results import score_of
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.text import one_line
from fmnist_core.training.events import Measured

COLOURS = {
    State.RUNNING: "cyan",
    State.STARTING: "cyan",
    State.FINISHED: "green",
    State.DIVERGED: "red",
    State.FAILED: "red",
    State.PAUSED: "yellow",
}


CONTEXT: dict[str, object] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""How help is asked for, and how wide it is."""


class SeenEnough(Exception):
    """Whoever reads the output, such as `head`, has closed it."""


class Commands(click.Group):
    """A group that says when its output was closed; Click's own would end the process with status 1."""

    def invoke(self, ctx: click.Context) -> object:
        """Raises SeenEnough."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise SeenEnough from error


class Refused(Exception):
    """A command cannot do what was asked for. The message says why."""


def table(rows: Iterable[Sequence[str]], headings: Sequence[str], *, right: Sequence[int] = ()) -> str:
    """Columns side by side, each as wide as it must be; `right`: the columns that are numbers."""
    lines = [headings, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    drawn = []
    for line in lines:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        drawn.append("  ".join(cells).rstrip())
    return "\n".join(drawn)


def as_json(value: object) -> None:
    """Print for a program."""
    click.echo(json.dumps(value, indent=2))


def coloured(state: State, text: str) -> str:
    """`text` in the colour of the state; click takes the colour out where there is no terminal."""
    return click.style(text, fg=COLOURS.get(state))


def run_keys(run: Run) -> dict[str, object]:
    """A run for a program. The keys are listed in docs/terminal.md: new ones may come, none goes away."""
    first, last = run.before, run.latest
    return {
        "id": run.id,
        "sequence": run.sequence,
        "name": run.name,
        "note": run.note,
        "owner": run.owner,
        "created_at": run.created_at,
        "state": run.state.value,
        "reason": run.reason,
        "step": run.step,
        "steps": run.steps_in_all,
        "steps_per_epoch": run.config.steps_per_epoch,
        "epoch": run.epoch,
        "seconds": run.seconds,
        "seconds_left": run.seconds_left,
        "images_per_second": run.images_per_second,
        "device": run.device,
        "threads": run.threads,
        "engine": run.engine,
        "config": run.config.to_dict(),
        "changes": [
            {"step": change.step, "learning_rate": change.learning_rate, "momentum": change.momentum}
            for change in run.changes
        ],
        "parent": {"id": run.parent.run_id, "step": run.parent.step} if run.parent else None,
        "group": run.group.to_dict() if run.group else None,
        "is_sealed": run.is_sealed,
        "branch_steps": client.folder(run.id).branch_steps(),
        "accuracy_before": _accuracy(run, first),
        "accuracy": _accuracy(run, last),
        "measured": [_measured(measured) for measured in run.measured],
    }


def _accuracy(run: Run, measured: Measured | None) -> float | None:
    """On the test images, or on the held-out ones while its sweep is open."""
    score = score_of(run, measured) if measured else None
    return score.accuracy if score else None


def _measured(measured: Measured) -> dict[str, object]:
    found: dict[str, object] = {"step": measured.step, "epoch": measured.epoch, "seconds": measured.seconds}
    for name in ("train", "validation", "test"):
        if score := getattr(measured, name):
            found[name] = {
                "loss": score.loss,
                "accuracy": score.accuracy,
                "correct": score.correct,
                "total": score.total,
            }
    return found


HEADINGS = ("ID", "STATE", "STEP", "ACCURACY", "TIME", "SETTINGS", "NAME")


def run_row(run: Run) -> list[str]:
    """A run as a line of a list."""
    accuracy = _accuracy(run, run.latest)
    settings = (
        f"{run.config.architecture}, {run.config.optimizer} {run.config.learning_rate:g}, batch {run.config.batch_size}"
    )
    return [
        run.id,
        run.state.value,
        f"{run.step:,}/{run.steps_in_all:,}",
        "-" if accuracy is None else f"{accuracy:.2%}",
        duration(run.seconds),
        settings,
        one_line(run.title),
    ]


def run_table(found: Sequence[Run], *, tree: bool = False) -> str:
    """Runs, newest first; as a tree each below the one that it branched off from."""
    ordered = list(_as_tree(found)) if tree else [("", run) for run in found]
    rows = [run_row(run) for _mark, run in ordered]
    for row, (mark, run) in zip(rows, ordered, strict=True):
        row[-1] = f"{mark}{row[-1]}" + (f" (from step {run.parent.step:,})" if run.parent and tree else "")
    lines = table(rows, HEADINGS, right=(2, 3, 4)).splitlines()
    for number, (_mark, run) in enumerate(ordered, start=1):
        lines[number] = lines[number].replace(run.state.value, coloured(run.state, run.state.value), 1)
    return "\n".join(lines)


def _as_tree(found: Sequence[Run]) -> Iterable[tuple[str, Run]]:
    """Each run with the marks before its name. A parent that was deleted is left out."""
    there = {run.id for run in found}
    children: dict[str, list[Run]] = {}
    for run in found:
        children.setdefault(run.parent.run_id if run.parent and run.parent.run_id in there else "", []).append(run)

    def below(parent: str, depth: int) -> Iterable[tuple[str, Run]]:
        for run in children.get(parent, []):
            yield f"{'   ' * (depth - 1)}└─ " if depth else "", run
            yield from below(run.id, depth + 1)

    return below("", 0)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(0.4), duration(75), duration(7_300)
    ('0.4 s', '1:15 min', '2:01 h')
    """
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h"

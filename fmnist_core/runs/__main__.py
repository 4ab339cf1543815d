"""Runs from a terminal, the same ones that the pages show.

python -m fmnist_core.runs start --epochs 2 --follow     the tutorial's printed lines, as it trains
python -m fmnist_core.runs list
python -m fmnist_core.runs show ID --json
python -m fmnist_core.runs stop ID
python -m fmnist_core.runs change ID --learning-rate 0.01          while it trains
python -m fmnist_core.runs branch ID 3000 --learning-rate 0.01     go on from a checkpoint, as another run
python -m fmnist_core.runs list --tree
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

from fmnist_core.evaluation.evaluate import tutorial_report
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.format import run_to_json
from fmnist_core.runs.queue import Waiting
from fmnist_core.runs.record import Damaged, Run, RunEvent
from fmnist_core.runs.text import one_line
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses, Measured

TUTORIAL_WINDOW = 1000
"""Batches over which the tutorial averages the loss that it prints."""


class Notebook:
    """The lines that the tutorial prints, from a run's events."""

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.window: list[float] = []

    def lines(self, event: RunEvent | Damaged) -> Iterator[str]:
        """What the notebook would have printed by now."""
        match event:
            case Measured(epoch=0, test=Score() as test):
                yield f"Accuracy before training:  {100.0 * sum(test.correct) / sum(test.total)}"  # as it divides
            case Losses(step=step, losses=losses):
                for number, loss in enumerate(losses, start=step):
                    epoch, batch = divmod(number, self.steps_per_epoch)
                    self.window = [loss] if batch % TUTORIAL_WINDOW == 0 else [*self.window, loss]
                    if len(self.window) == TUTORIAL_WINDOW:
                        average = sum(self.window) / TUTORIAL_WINDOW
                        yield f"Epoch: {epoch + 1}, Batch: {batch + 1}, Avg. Loss: {average}"


def notebook(run: Run, *, follow: bool = False) -> Iterator[str]:
    """The tutorial's lines of a run; with `follow`, as they come, to its end."""
    printer = Notebook(run.config.steps_per_epoch)
    folder, offset = client.folder(run.id), 0
    while True:
        is_over = not run.is_active
        while True:
            told, after = folder.news(offset)
            if after == offset:
                break
            for event in told:
                yield from printer.lines(event)
            offset = after
        if is_over or not follow:
            break
        time.sleep(0.2)
        run = client.get(run.id)
    if run.state.is_final and run.latest:
        yield ("Finished Training" if run.state == "finished" else f"Training {run.state}. {run.reason}".rstrip())
        yield ""
        if run.is_sealed:
            yield "On the held-out images: the test images wait for the choice in its sweep."
        if run.latest.shown:
            yield tutorial_report(run.latest.shown)


def as_dict(run: Run) -> dict[str, object]:
    """A run as JSON, its measurements with their accuracies."""
    values: dict[str, object] = json.loads(run_to_json(run))
    values["accuracy_before"] = _test_accuracy(run.before)
    values["branch_steps"] = client.folder(run.id).branch_steps()
    values["accuracy"] = _test_accuracy(run.latest)
    return values


def as_row(run: Run) -> str:
    """A run as one line of `list`."""
    known = _test_accuracy(run.latest)
    accuracy = "      -" if known is None else f"{known:7.2%}"
    settings = f"{run.config.optimizer} {run.config.learning_rate:g}, batch {run.config.batch_size}"
    return f"{run.id}  {run.state:<9} {run.step:>7,}/{run.steps:<7,} {accuracy} {run.seconds:7.1f} s  {settings}  {one_line(run.title)}"


def _test_accuracy(measured: Measured | None) -> float | None:
    return measured.test.accuracy if measured and measured.test else None


def parser() -> argparse.ArgumentParser:
    """One option for each setting of a run, with its default."""
    top = argparse.ArgumentParser(prog="python -m fmnist_core.runs", description="Train, watch and stop runs.")
    commands = top.add_subparsers(dest="command", required=True)

    start = commands.add_parser("start", help="put a run into the queue; prints its id")
    start.add_argument("--name", default="", help="shown in lists")
    start.add_argument("--owner", default="", help="whose run it is: people take turns in the queue")
    start.add_argument("--follow", action="store_true", help="print the tutorial's lines until it ends")
    add_settings(start, kept=False)

    branch = commands.add_parser("branch", help="go on from a checkpoint of a run, as another run; prints its id")
    branch.add_argument("id")
    branch.add_argument("step", type=int, help="one of those that `show --json` lists as branch_steps")
    branch.add_argument("--name", default="", help="shown in lists")
    add_settings(branch, kept=True)

    change = commands.add_parser("change", help="train on with another learning rate or momentum")
    change.add_argument("id")
    change.add_argument("--learning-rate", type=float)
    change.add_argument("--momentum", type=float)
    for name, what in (("rename", "name"), ("note", "text")):
        command = commands.add_parser(name, help=f"give a run another {name.removeprefix('re')}")
        command.add_argument("id")
        command.add_argument(what)
    move = commands.add_parser("move", help="bring a waiting run to another place among its owner's")
    move.add_argument("id")
    move.add_argument("place", type=int, help="1 is the first")
    commands.add_parser("queue", help="the runs that wait, with place and expected start")

    listing = commands.add_parser("list", help="all runs, newest first")
    listing.add_argument("--tree", action="store_true", help="each run below the one that it branched off from")
    show = commands.add_parser("show", help="one run: the tutorial's lines")
    show.add_argument("--follow", action="store_true", help="go on until it ends")
    for command in (start, listing, show):
        command.add_argument("--json", action="store_true", help="JSON instead of text")
    for name, what in (
        ("stop", "end a run at its next step"),
        ("pause", "write a checkpoint and give the slot back"),
        ("resume", "go on from the checkpoint"),
        ("step", "have a paused run take a single step"),
        ("delete", "remove a run that is over or paused, with all its files"),
    ):
        commands.add_parser(name, help=what).add_argument("id")
    show.add_argument("id")
    return top


def add_settings(command: argparse.ArgumentParser, *, kept: bool) -> None:
    """An option for each setting; `kept`: one that is not given stays as the parent has it."""
    for field in fields(TrainingConfig):
        option, default = f"--{field.name.replace('_', '-')}", None if kept else field.default
        if isinstance(field.default, bool):
            command.add_argument(option, action=argparse.BooleanOptionalAction, default=default)
        else:
            words = "" if kept else f"default {field.default}"
            command.add_argument(option, type=type(field.default), default=default, help=words)


def as_tree(runs: Sequence[Run]) -> Iterator[str]:
    """A line for each run, below its parent and further in; newest first. A parent that was deleted is left out."""
    there = {run.id for run in runs}
    children: dict[str, list[Run]] = {}
    for run in runs:
        children.setdefault(run.parent[0] if run.parent and run.parent[0] in there else "", []).append(run)

    def lines(parent: str, depth: int) -> Iterator[str]:
        for run in children.get(parent, []):
            mark = f"{'   ' * (depth - 1)}└─ " if depth else ""
            at = f" from step {run.parent[1]:,}" if run.parent else ""
            yield f"{mark}{as_row(run)}{at}"
            yield from lines(run.id, depth + 1)

    return lines("", 0)


def as_place(waiting: Waiting) -> str:
    """A waiting run as one line of `queue`."""
    starts = "unknown" if waiting.starts_in is None else f"in {waiting.starts_in:,.0f} s"
    return f"{waiting.place:>3}  {waiting.run.id}  {one_line(waiting.run.owner) or '-':<12} starts {starts:<12} {one_line(waiting.run.title)}"


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0, or 1 with a sentence on standard error."""
    options = parser().parse_args(arguments)
    try:
        match options.command:
            case "start":
                settings = {field.name: getattr(options, field.name) for field in fields(TrainingConfig)}
                run_id = client.start(TrainingConfig(**settings), options.name, owner=options.owner)
                if not options.follow:
                    print(json.dumps({"id": run_id}) if options.json else run_id)
                    return 0
                show(client.get(run_id), follow=True, as_json=options.json)
            case "list":
                runs = client.list_runs()
                print(
                    json.dumps([as_dict(run) for run in runs], indent=2)
                    if options.json
                    else "\n".join(as_tree(runs) if options.tree else map(as_row, runs))
                )
            case "branch":
                given = {field.name: getattr(options, field.name) for field in fields(TrainingConfig)}
                changed = {name: value for name, value in given.items() if value is not None}
                config = replace(client.get(options.id).config_at(options.step), **changed)
                print(client.branch(options.id, options.step, config, options.name))
            case "change":
                client.change(options.id, learning_rate=options.learning_rate, momentum=options.momentum)
            case "rename":
                client.rename(options.id, options.name)
            case "note":
                client.annotate(options.id, options.text)
            case "move":
                client.move(options.id, options.place - 1)
            case "queue":
                print("\n".join(map(as_place, client.queue())))
            case "step":
                client.step_once(options.id)
            case "delete":
                client.delete(options.id)
            case "show":
                show(client.get(options.id), follow=options.follow, as_json=options.json)
            case "stop":
                client.stop(options.id)
            case "pause":
                client.pause(options.id)
            case "resume":
                client.resume(options.id)
        sys.stdout.flush()  # here, where an error is still caught
    except BrokenPipeError:  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that nothing is said at exit
        return 141  # as other commands, which SIGPIPE ends
    except (ValueError, client.RunRefused, client.RunNotFound) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # the run goes on
    return 0


def show(run: Run, *, follow: bool, as_json: bool) -> None:
    """Print a run, at once or as it goes."""
    lines = notebook(run, follow=follow)
    if as_json:
        for _line in lines:
            pass
        print(json.dumps(as_dict(client.get(run.id)), indent=2))
    else:
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

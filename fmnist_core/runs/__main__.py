"""Runs from a terminal, the same ones that the pages show.

python -m fmnist_core.runs start --epochs 2 --follow     the tutorial's printed lines, as it trains
python -m fmnist_core.runs list
python -m fmnist_core.runs show ID --json
python -m fmnist_core.runs stop ID
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import fields

from fmnist_core.evaluation import tutorial_report
from fmnist_core.events import Losses, Measured
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs import client
from fmnist_core.runs.record import Run, RunEvent, from_json

TUTORIAL_WINDOW = 1000
"""Batches over which the tutorial averages the loss that it prints."""


class Notebook:
    """The lines that the tutorial prints, from a run's events."""

    def __init__(self, steps_per_epoch: int) -> None:
        self.steps_per_epoch = steps_per_epoch
        self.window: list[float] = []

    def lines(self, event: RunEvent) -> Iterator[str]:
        """What the notebook would have printed by now."""
        match event:
            case Measured(epoch=0, test=test):
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
            lines, after = folder.read_events(offset)
            if after == offset:
                break
            for line in lines:
                yield from printer.lines(from_json(line))
            offset = after
        if is_over or not follow:
            break
        time.sleep(0.2)
        run = client.get(run.id)
    if run.state.is_final and run.latest:
        yield ("Finished Training" if run.state == "finished" else f"Training {run.state}. {run.reason}".rstrip())
        yield ""
        yield tutorial_report(run.latest.test)


def as_dict(run: Run) -> dict[str, object]:
    """A run as JSON, its measurements with their accuracies."""
    values: dict[str, object] = json.loads(run.to_json())
    values["accuracy_before"] = run.before.test.accuracy if run.before else None
    values["accuracy"] = run.latest.test.accuracy if run.latest else None
    return values


def as_row(run: Run) -> str:
    """A run as one line of `list`."""
    accuracy = f"{run.latest.test.accuracy:7.2%}" if run.latest else "      -"
    settings = f"{run.config.optimizer} {run.config.learning_rate:g}, batch {run.config.batch_size}"
    return f"{run.id}  {run.state:<9} {run.step:>7,}/{run.steps:<7,} {accuracy} {run.seconds:7.1f} s  {settings}  {run.title}"


def parser() -> argparse.ArgumentParser:
    """One option for each setting of a run, with its default."""
    top = argparse.ArgumentParser(prog="python -m fmnist_core.runs", description="Train, watch and stop runs.")
    commands = top.add_subparsers(dest="command", required=True)

    start = commands.add_parser("start", help="put a run into the queue; prints its id")
    start.add_argument("--name", default="", help="shown in lists")
    for field in fields(TrainingConfig):
        option = f"--{field.name.replace('_', '-')}"
        if isinstance(field.default, bool):
            start.add_argument(option, action=argparse.BooleanOptionalAction, default=field.default)
        else:
            start.add_argument(option, type=type(field.default), default=field.default, help=f"default {field.default}")
    start.add_argument("--follow", action="store_true", help="print the tutorial's lines until it ends")

    listing = commands.add_parser("list", help="all runs, newest first")
    show = commands.add_parser("show", help="one run: the tutorial's lines")
    show.add_argument("--follow", action="store_true", help="go on until it ends")
    for command in (start, listing, show):
        command.add_argument("--json", action="store_true", help="JSON instead of text")
    for name, what in (
        ("stop", "end a run at its next step"),
        ("pause", "write a checkpoint and give the slot back"),
        ("resume", "go on from the checkpoint"),
    ):
        commands.add_parser(name, help=what).add_argument("id")
    show.add_argument("id")
    return top


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0, or 1 with a sentence on standard error."""
    options = parser().parse_args(arguments)
    try:
        match options.command:
            case "start":
                settings = {field.name: getattr(options, field.name) for field in fields(TrainingConfig)}
                run_id = client.start(TrainingConfig(**settings), options.name)
                if not options.follow:
                    print(json.dumps({"id": run_id}) if options.json else run_id)
                    return 0
                show(client.get(run_id), follow=True, as_json=options.json)
            case "list":
                runs = client.list_runs()
                print(
                    json.dumps([as_dict(run) for run in runs], indent=2)
                    if options.json
                    else "\n".join(map(as_row, runs))
                )
            case "show":
                show(client.get(options.id), follow=options.follow, as_json=options.json)
            case "stop":
                client.stop(options.id)
            case "pause":
                client.pause(options.id)
            case "resume":
                client.resume(options.id)
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

"""A run as it goes: the tutorial's printed lines, and on a terminal a bar with the time that is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click

from fmnist_core.evaluation.evaluate import tutorial_report
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Damaged, Run, RunEvent
from fmnist_core.terminal.printing import duration
from fmnist_core.training.events import Losses, Measured

TUTORIAL_WINDOW = 1000
"""Batches over which the tutorial averages the loss that it prints."""
LOOKS_EVERY = 0.2
"""Seconds."""
BAR = 24
"""Characters."""


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


class Bar:
    """One line on standard error that is written over and over; nothing where that is no terminal."""

    def __init__(self) -> None:
        self.is_on, self.length = sys.stderr.isatty(), 0

    def draw(self, run: Run) -> None:
        """How far the run is."""
        done = run.step / max(1, run.steps_in_all)
        left = "" if run.seconds_left is None else f", {duration(run.seconds_left)} left"
        filled = "█" * round(BAR * done)
        self._write(f"{run.state:<8} {filled:·<{BAR}} {done:4.0%}  step {run.step:,}/{run.steps_in_all:,}{left}")

    def clear(self) -> None:
        """Before a line is printed, and at the end."""
        if self.length:
            self._write("")

    def _write(self, text: str) -> None:
        if self.is_on:
            click.echo(f"\r{text:<{self.length}}{'' if text else chr(13)}", err=True, nl=False)
            self.length = len(text)


def lines(run: Run, *, follow: bool = False) -> Iterator[str]:
    """The tutorial's lines of a run; with `follow`, as they come, to its end."""
    printer, bar = Notebook(run.config.steps_per_epoch), Bar()
    folder, offset = client.folder(run.id), 0
    try:
        while True:
            is_over = not run.is_active
            while True:
                told, after = folder.news(offset)
                if after == offset:
                    break
                for event in told:
                    for printed in printer.lines(event):
                        bar.clear()
                        yield printed
                offset = after
            if is_over or not follow:
                break
            bar.draw(run)
            time.sleep(LOOKS_EVERY)
            run = client.get(run.id)
    finally:
        bar.clear()
    if run.state.is_final and run.latest:
        yield ("Finished Training" if run.state == "finished" else f"Training {run.state}. {run.reason}".rstrip())
        yield ""
        if run.is_sealed:
            yield "On the held-out images: the test images wait for the choice in its sweep."
        if run.latest.shown:
            yield tutorial_report(run.latest.shown)


def follow(run: Run, command: str) -> None:
    """Print as it trains. Ctrl-C leaves the run in training, and says how to come back."""
    try:
        for line in lines(run, follow=True):
            click.echo(line)
            sys.stdout.flush()
    except KeyboardInterrupt:
        run = client.get(run.id)
        if run.is_active:
            click.echo(
                f"\nThe run goes on. Come back to it: {command} show {run.id} --follow\n"
                f"End it: {command} stop {run.id}",
                err=True,
            )
        raise
    if run.state == "paused":
        click.echo(f"The run is paused. Go on: {command} resume {run.id}", err=True)

"""`fashion-mnist-lab runs …`: start, watch, steer and remove runs. `python -m fmnist_core.runs` is the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from fmnist_core.runs import client
from fmnist_core.runs.queue import Waiting
from fmnist_core.runs.text import one_line
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.terminal import following, printing
from fmnist_core.terminal.settings import setting_options, with_settings

FOLLOW = click.option("--follow", is_flag=True, help="Print the tutorial's lines as it trains, to the end.")
JSON = click.option("--json", "as_json", is_flag=True, help="JSON for programs, with the keys of docs/terminal.md.")
NAMED = click.option("--name", default="", help="How it is called in lists.")


class RunId(click.ParamType[str]):
    """The id of a run; the Tab key completes it."""

    name = "id"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The runs whose id begins so."""
        return [
            CompletionItem(r.id, help=f"{one_line(r.title)}, {r.state}")
            for r in client.list_runs()
            if r.id.startswith(incomplete)
        ]


ID = click.argument("run_id", metavar="ID", type=RunId())


@click.group(cls=printing.Commands, context_settings=printing.CONTEXT)
def runs() -> None:
    """Start, watch, steer and remove runs."""


def _command() -> str:
    """How this group was called, for sentences that name a command."""
    context = click.get_current_context()
    return context.parent.command_path if context.parent else context.command_path


# --- Start and watch -----------------------------------------------------------------------------------------------


@runs.command()
@click.option(
    "--recipe", type=click.Choice(list(RECIPES)), help="Settings that have a name: see `recipes`. Options change them."
)
@NAMED
@click.option("--owner", default="", help="Whose run it is: people take turns in the queue.")
@FOLLOW
@JSON
@setting_options()
def start(recipe: str | None, name: str, owner: str, follow: bool, as_json: bool, **settings: object) -> None:
    """Put a run into the queue, and print its id.

    Without options these are the tutorial's settings.
    """
    base = RECIPES[recipe].config if recipe else TrainingConfig()
    title = name or (RECIPES[recipe].title if recipe else "")
    run_id = client.start(with_settings(base, settings), title, owner=owner)
    if not follow:
        printing.as_json({"id": run_id}) if as_json else click.echo(run_id)
        return
    _show(run_id, follow=True, as_json=as_json)


@runs.command("list")
@click.option("--tree", is_flag=True, help="Each run below the one that it branched off from.")
@JSON
def list_(tree: bool, as_json: bool) -> None:
    """All runs, the newest first."""
    found = client.list_runs()
    troubles = [*client.unreadable().values(), *(f"{run.id}: {run.fault}" for run in found if run.fault)]
    for why in troubles:
        click.echo(one_line(why), err=True)
    if as_json:
        printing.as_json([printing.run_keys(run) for run in found])
    elif found:
        click.echo(printing.run_table(found, tree=tree))
    elif not troubles:
        click.echo(f"No run yet. Start one: {_command()} start --recipe fast --follow", err=True)


@runs.command()
@ID
@FOLLOW
@JSON
def show(run_id: str, follow: bool, as_json: bool) -> None:
    """One run: the lines that the tutorial prints."""
    _show(run_id, follow=follow, as_json=as_json)


def _show(run_id: str, *, follow: bool, as_json: bool) -> None:
    run = client.get(run_id)
    if as_json:
        for _line in following.lines(run, follow=follow):
            pass
        printing.as_json(printing.run_keys(client.get(run_id)))
    elif follow:
        following.follow(run, _command())
    else:
        click.echo("\n".join(following.lines(run)))


@runs.command()
@JSON
def queue(as_json: bool) -> None:
    """The runs that wait, with place and expected start."""
    waiting = client.queue()
    if why := client.trouble(patience=3.0):
        click.echo(one_line(why), err=True)
    if as_json:
        printing.as_json(
            [
                {"place": w.place, "id": w.run.id, "owner": w.run.owner, "starts_in": w.starts_in, "name": w.run.name}
                for w in waiting
            ]
        )
    elif waiting:
        rows = [_place(each) for each in waiting]
        click.echo(printing.table(rows, ("PLACE", "ID", "OWNER", "STARTS", "NAME"), right=(0,)))


def _place(waiting: Waiting) -> list[str]:
    starts = "unknown" if waiting.starts_in is None else f"in {printing.duration(waiting.starts_in)}"
    return [str(waiting.place), waiting.run.id, one_line(waiting.run.owner) or "-", starts, one_line(waiting.run.title)]


# --- Steer ---------------------------------------------------------------------------------------------------------


@runs.command()
@ID
@click.option("--learning-rate", type=float, metavar="X", help=f"[{SETTINGS['learning_rate'].range.wanted}]")
@click.option("--momentum", type=float, metavar="X", help=f"[{SETTINGS['momentum'].range.wanted}]")
def change(run_id: str, learning_rate: float | None, momentum: float | None) -> None:
    """Train on with another learning rate or momentum."""
    client.change(run_id, learning_rate=learning_rate, momentum=momentum)


@runs.command()
@ID
@click.argument("step", type=int)
@NAMED
@setting_options("as in the run that it branches off from")
def branch(run_id: str, step: int, name: str, **settings: object) -> None:
    """Go on from a checkpoint as another run.

    It begins after STEP steps of the run ID, with what the options change, and its id is printed. The steps are those that
    `runs show ID --json` lists as branch_steps.
    """
    config = with_settings(client.get(run_id).config_at(step), settings)
    click.echo(client.branch(run_id, step, config, name))


@runs.command()
@ID
@click.argument("place", type=int)
def move(run_id: str, place: int) -> None:
    """Bring a waiting run to another place.

    PLACE 1 is the first among those of its owner.
    """
    client.move(run_id, place - 1)


@runs.command()
@ID
@click.argument("name")
def rename(run_id: str, name: str) -> None:
    """Give a run another name."""
    client.rename(run_id, name)


@runs.command()
@ID
@click.argument("text")
def note(run_id: str, text: str) -> None:
    """Write a note on a run."""
    client.annotate(run_id, text)


def _plain(name: str, does: Callable[[str], Any], words: str) -> None:
    """A command that takes nothing but an id."""

    @runs.command(name, help=words)
    @ID
    def command(run_id: str) -> None:
        does(run_id)


_plain("pause", client.pause, "Write a checkpoint and give the slot back.")
_plain("resume", client.resume, "Go on from the checkpoint.")
_plain("step", client.step_once, "Have a paused run take a single step.")
_plain("stop", client.stop, "End a run at its next step.")
_plain("delete", client.delete, "Remove a run with all its files.")

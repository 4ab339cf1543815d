"""All commands, and how they end.

Exit status: 0 done; 1 refused, with a sentence on standard error that says why; 2 a command or option that does not exist
or is incomplete; 130 ended by Ctrl-C (runs in training go on); 141 whoever read the output has seen enough.
"""

from __future__ import annotations

import io
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from fmnist_core.data.dataset import DatasetError
from fmnist_core.export.history import ExportRefused
from fmnist_core.export.words import app_version
from fmnist_core.files import explain
from fmnist_core.runs.client import RunNotFound, RunRefused
from fmnist_core.terminal.doctor import doctor
from fmnist_core.terminal.predict import predict
from fmnist_core.terminal.printing import CONTEXT, Commands, Refused, SeenEnough
from fmnist_core.terminal.recipes import recipes
from fmnist_core.terminal.runs import runs
from fmnist_core.terminal.taking_away import export, import_

NAME = "fashion-mnist-lab"
REPOSITORY = Path(__file__).parents[2]

EPILOG = """\b
Begin with:
  fashion-mnist-lab serve                               the app in a browser
  fashion-mnist-lab recipes                             settings that have a name
  fashion-mnist-lab runs start --recipe fast --follow   train, and watch
  fashion-mnist-lab runs list
  fashion-mnist-lab export ID notebook                  take a run away
  fashion-mnist-lab predict shirt.jpg                   what a trained network says
"""


@click.group(cls=Commands, context_settings=CONTEXT, epilog=EPILOG)
@click.version_option(app_version(), prog_name="Fashion-MNIST Lab")
def cli() -> None:
    """Fashion-MNIST Lab: train, watch, test and take away small image classifiers.

    Runs are the same ones that the pages show. $FMNIST_RUNS and $FMNIST_DATA name other folders.
    """


@cli.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=8501, show_default=True)
def serve(port: int) -> None:
    """Open the app in a browser; Ctrl-C ends it.

    It listens on http://127.0.0.1:PORT. Runs in training go on after its end.
    """
    from fmnist_core.data import dataset

    dataset.load("train")
    try:
        with socket.create_server(("127.0.0.1", port)):
            pass
    except OSError as error:
        raise Refused(f"Port {port} is taken or not allowed: try another, such as --port {port + 1}.") from error
    os.chdir(REPOSITORY)
    command = [sys.executable, "-m", "pages.parts.server.serve", "--server.port", str(port)]
    sys.stdout.flush()
    os.execv(sys.executable, command)


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    r"""Print what makes the Tab key complete.

    Commands, options and run ids, in this SHELL.

    \b
    bash:  eval "$(fashion-mnist-lab completion bash)"        into ~/.bashrc
    zsh:   eval "$(fashion-mnist-lab completion zsh)"         into ~/.zshrc
    fish:  fashion-mnist-lab completion fish | source         into ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind
    click.echo(kind(cli, {}, NAME, "_FASHION_MNIST_LAB_COMPLETE").source())


for command in (runs, export, import_, predict, recipes, doctor):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None, *, name: str = NAME, group: click.Group = cli) -> int:
    """Run the command that the arguments name, by default those of this process; the exit status."""
    for stream in (sys.stdout, sys.stderr):  # what the terminal has no letters for is printed as "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = group.main(given, prog_name=name, complete_var="_FASHION_MNIST_LAB_COMPLETE", standalone_mode=False)
        sys.stdout.flush()  # here, where an error is still caught
    except (BrokenPipeError, SeenEnough):  # whoever reads, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that nothing is said at exit
        return 141  # as other commands, which SIGPIPE ends
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (Refused, RunRefused, RunNotFound, ExportRefused, DatasetError, ValueError) as error:
        click.echo(str(error), err=True)
        return 1
    except OSError as error:
        click.echo(explain(error), err=True)
        return 1
    return status if isinstance(status, int) else 0

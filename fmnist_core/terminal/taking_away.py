"""`fashion-mnist-lab export` and `import`."""

from __future__ import annotations

from pathlib import Path

import click

from fmnist_core.export import archive
from fmnist_core.export.catalogue import EXPORTS, by_name
from fmnist_core.files import write_whole
from fmnist_core.runs import client
from fmnist_core.terminal.printing import Refused
from fmnist_core.terminal.runs import ID

NAMES = [export.name for export in EXPORTS]


def _uses() -> str:
    return "\b\n" + "\n".join(f"{export.name:<12} {export.use.partition('. ')[0].rstrip('.')}" for export in EXPORTS)


@click.command(help=f"Write a run to a file that others read.\n\n{_uses()}")
@ID
@click.argument("kind", metavar="FORMAT", type=click.Choice(NAMES))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File or folder to write to; by default the folder that one is in.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def export(run_id: str, kind: str, output: Path | None, force: bool) -> None:
    """What its help says."""
    run, chosen = client.get(run_id), by_name(kind)
    if why_not := chosen.why_not(run):
        raise Refused(why_not)
    target = output or Path.cwd()
    if target.is_dir():
        target /= chosen.file_name(run)
    if target.exists() and not force:
        raise Refused(f"{target} is there already: choose another name with --output, or --force.")
    try:
        write_whole(target, chosen.make(run), durable=False, public=True)
    except OSError as error:
        raise Refused(f"{target} cannot be written ({error.strerror}).") from error
    click.echo(str(target))


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--owner", default="", help="Whose run it is.")
def import_(file: Path, owner: str) -> None:
    """Make the archive of a run a run here.

    FILE is what `export ID archive` wrote; the id of the run is printed.
    """
    try:
        with file.open("rb") as source:
            click.echo(archive.read(source, owner))
    except archive.ImportRefused as error:
        raise Refused(str(error)) from error

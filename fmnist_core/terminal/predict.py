"""`fashion-mnist-lab predict FILE…`: what a trained network says to pictures of one's own."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import cast

import click
import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.data.brought import files, way
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.dataset import CLASSES
from fmnist_core.export.history import weights_of
from fmnist_core.export.weights import newest_step
from fmnist_core.inside.graph import Weights
from fmnist_core.inside.network import Network, softmax
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.terminal import printing
from fmnist_core.terminal.printing import Refused
from fmnist_core.terminal.runs import RunId


@click.command()
@click.argument("pictures", metavar="FILE...", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--run", "run_id", metavar="ID", type=RunId(), help="Whose network; by default that of the newest finished run."
)
@click.option("--json", "as_json", is_flag=True, help="JSON for programs, with the keys of docs/terminal.md.")
@click.pass_context
def predict(context: click.Context, pictures: tuple[Path, ...], run_id: str | None, as_json: bool) -> None:
    """Say what a trained network sees in pictures.

    Photographs of one garment each. A picture is brought to 28 x 28 gray pixels, light on black, as the training pictures
    were. Exit status 1 where one of them cannot be read.
    """
    run = client.get(run_id) if run_id else _newest()
    step = newest_step(run)
    network = Network(run.config, cast(Weights, weights_of(run, step)))
    found, refused = list[tuple[Path, npt.NDArray[np.float64]]](), dict[Path, str]()
    for path in pictures:
        try:
            pixels = _prepared(path)
        except (Refused, files.PictureRefused) as error:
            refused[path] = str(error)
        else:
            found.append((path, softmax(network.logits(pixels[None]))[0]))
    if as_json:
        rows = [
            {
                "file": str(path),
                "class": int(p.argmax()),
                "name": CLASSES[p.argmax()],
                "probabilities": p.round(6).tolist(),
            }
            for path, p in found
        ]
        printing.as_json({"run": run.id, "step": step, "predictions": rows})
    elif found:
        lines = [(str(path), *_words(p)) for path, p in found]
        click.echo(printing.table(lines, ("FILE", "CLASS", "PROBABILITY", "NEXT"), right=(2,)))
    for says in refused.values():
        click.echo(says, err=True)
    if refused:
        context.exit(1)


def _prepared(path: Path) -> npt.NDArray[np.uint8]:
    """The picture as the network sees it, (28, 28) uint8. Raises Refused, PictureRefused."""
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= files.MOST_BYTES else b""
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}).") from error
    if size > files.MOST_BYTES:
        raise Refused(
            f"{path} has {size / 1e6:.1f} MB, more than {files.MOST_BYTES / 1e6:.0f}: save a smaller copy of it."
        )
    done = way.prepare(files.decode(content, path.name), way.Choices(), _likeness())
    if done.is_blank:
        raise Refused(f"{path} shows nothing that stands out from its background.")
    return done.picture


@cache
def _likeness() -> Likeness:
    return Likeness.to(dataset.load("train").images)


def _newest() -> Run:
    """Raises Refused where nothing has been trained yet."""
    for run in client.list_runs():
        if run.state is State.FINISHED:
            return run
    raise Refused("No run has finished yet: train a network first, or name a run with --run.")


def _words(probabilities: npt.NDArray[np.float64]) -> tuple[str, str, str]:
    first, second = probabilities.argsort()[::-1][:2]
    return CLASSES[first], f"{probabilities[first]:.1%}", f"{CLASSES[second]} {probabilities[second]:.1%}"

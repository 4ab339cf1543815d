"""Where the test pictures stand on the map at each moment of a run that has ended.

Computed when a page first asks, from the last moment back to the first, each beginning from the map of the one after it, so
that nothing jumps; kept beside the run: maps/STEP.npy and, of the pixels alone, maps/pixels.npy.

python -m fmnist_core.runs.service.maps RUN_FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.inside import layout, neighbours
from fmnist_core.inside.layout import Points
from fmnist_core.inside.network import Network
from fmnist_core.runs.files.arrays import read_array
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened, opened_steps
from fmnist_core.runs.service import background
from fmnist_core.settings.config import Architecture

PIXELS: Final = "pixels"
"""What stands for the step where no network has looked."""
Moment = int | Literal["pixels"]
Layout = Literal["neighbours", "components"]

MOMENTS: dict[Architecture, int] = {"net": 400, "linear": 400, "perceptron": 400, "residual": 12, "deep": 5, "wide": 2}
"""At most, by what a moment costs: 1.5 s of a core, and for the last three seconds to a minute."""
PICTURES: dict[Architecture, int] = {"residual": layout.SLOW, "deep": layout.SLOW, "wide": layout.SLOW // 2}
"""The first test pictures that a slow network is shown; the others see all."""


@dataclass(frozen=True, eq=False)
class Kept:
    """One moment."""

    by_neighbours: Points | None
    """(N, 2): standard deviation 1 at the run's last moment; None where there was no compiler."""
    by_components: Points
    """(N, 2): the first two principal components, turned to lie as near those of the last moment as they can."""
    guesses: npt.NDArray[np.uint8]
    """(N,): the predicted classes; of the pixels alone, zeros."""
    share: float
    """Of all variance, what these two components have, in [0, 1]."""
    near: tuple[float, float]
    """Of each picture's ten nearest in the layer, the share that are among its ten nearest on the map: by neighbours, by
    components; in [0, 1]."""


COLUMNS = 5


def is_quick(architecture: Architecture) -> bool:
    """Whether a page can wait for the principal components of a moment."""
    return architecture not in PICTURES


def moments(folder: RunFolder) -> list[int]:
    """The steps that get a map, ascending: the first and the last always."""
    steps = opened_steps(folder)
    most = MOMENTS[folder.run().config.architecture]
    if len(steps) <= most:
        return steps
    return [steps[place] for place in np.linspace(0, len(steps) - 1, most).round().astype(int)]


def ready(folder: RunFolder) -> list[Moment]:
    """The moments whose map is there, in no order."""
    names = [path.stem for path in (folder.path / "maps").glob("*.npy")]
    return [int(name) if name.isdecimal() else "pixels" for name in names if name.isdecimal() or name == PIXELS]


def begin(folder: RunFolder) -> background.State:
    """Compute them all in the background unless they are there or being computed; how it stands."""
    steps = moments(folder)
    return background.begin(
        __name__,
        _file(folder, steps[0]),
        str(folder.path),
        whole=lambda: {*steps, PIXELS} <= set(ready(folder)),
        threads=1,
    )


def read(folder: RunFolder, moment: Moment) -> Kept | None:
    """The map of a moment; None where it has not been computed."""
    try:
        rows = read_array(_file(folder, moment)).astype(np.float32)
        widest = rows if moment == PIXELS else read_array(_file(folder, moments(folder)[-1])).astype(np.float32)
    except (OSError, ValueError, IndexError):
        return None
    if any(array.ndim != 2 or array.shape[1] != COLUMNS or len(array) < 2 for array in (rows, widest)):
        return None
    head, points, scale = rows[0], rows[1:], float(widest[1:, :2].std()) or 1.0
    return Kept(
        points[:, :2] / np.float32(scale) if np.isfinite(points[:, :2]).all() and np.isfinite(scale) else None,
        points[:, 2:4],
        points[:, 4].astype(np.uint8),
        float(head[2]),
        (float(head[0]), float(head[1])),
    )


# --- What is shown ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Shown:
    """A map as it is drawn."""

    points: Points
    guesses: npt.NDArray[np.uint8]
    """(N,): the predicted classes."""
    by: Layout
    """What it is really by: the components, as long as there is nothing better."""
    share: float
    near: float | None
    """As in `Kept`, of this layout; None where nobody has measured it."""


@lru_cache(maxsize=4)
def shown(folder: RunFolder, step: int, of: Literal["hidden", "pixels"], by: Layout, _version: int = 0) -> Shown:
    """The map after `step`, of the hidden layer or of the pixels: as it was kept, else by components, computed now.

    `_version`: another number for whoever knows that more is there than when it was asked last. Raises LookupError where a
    slow network's map has not been computed, FileNotFoundError and ValueError as `opened`.
    """
    kept, own = read(folder, step if of == "hidden" else PIXELS), read(folder, step)
    quick = is_quick(folder.run().config.architecture)
    images = dataset.load("test").images
    if own is not None:
        guesses = own.guesses
    elif quick:
        guesses = _guesses(folder, opened(folder, step), step, images)
    else:
        raise LookupError(f"the map after step {step} has not been computed")
    if kept is not None:
        if by == "neighbours" and kept.by_neighbours is not None:
            return Shown(kept.by_neighbours, guesses, by, kept.share, kept.near[0])
        near = kept.near[1] if np.isfinite(kept.near[1]) else None
        return Shown(kept.by_components, guesses, "components", kept.share, near)
    if of == "pixels":
        points, share = layout.principal(layout.pixels(images[: len(guesses)]))
    else:
        last = opened(folder, opened_steps(folder)[-1])
        points, share = layout.principal(layout.seen_by_last_layer(opened(folder, step), images))
        points = layout.aligned(points, layout.principal(layout.seen_by_last_layer(last, images))[0])
    return Shown(points, guesses, "components", share, None)


# --- In the process ------------------------------------------------------------------------------------------------


def main(run_folder: str) -> None:
    """Compute and keep; nothing that is there already. The last moment first, then the pixels: what is looked at first."""
    folder = RunFolder(Path(run_folder))
    steps = moments(folder)
    order: list[Moment] = [*reversed(steps)]
    order.insert(1, PIXELS)
    later: Moment | None = None
    for moment in order:
        background.keep(_file(folder, moment), len(order) + 1, partial(_compute, folder, moment, later))
        if moment != PIXELS:
            later = moment


def _compute(folder: RunFolder, moment: Moment, later: Moment | None) -> npt.NDArray[np.float16]:
    """(1 + pictures, 5) float16: the figures of `Kept` first; then x and y by neighbours, by components, and the class."""
    architecture = folder.run().config.architecture
    images = dataset.load("test").images[: PICTURES.get(architecture)]
    guesses = np.zeros(len(images), np.uint8)
    if isinstance(moment, str):
        features = layout.pixels(images)
    else:
        network = opened(folder, moment)
        features, guesses = layout.seen_by_last_layer(network, images), _guesses(folder, network, moment, images)
    components, share = layout.principal(features)
    draft = neighbours.WIDTH * components
    if later is not None and moment != PIXELS:
        after = read_array(_file(folder, later)).astype(np.float32)[1:]
        components = layout.aligned(components, after[:, 2:4])
        draft = after[:, :2]
    points, near = np.full_like(components, np.nan), [np.nan, np.nan]
    if (library := neighbours.prepare()) and np.isfinite(draft).all():
        found = neighbours.nearest(library, features, neighbours.NEIGHBOURS)
        points = neighbours.arrange(library, found, draft, anew=later is None or moment == PIXELS)
        there = found[0][:, : neighbours.JUDGED]
        near = [
            neighbours.kept(there, neighbours.nearest(library, flat, neighbours.JUDGED)[0])
            for flat in (points, components)
        ]
    return np.vstack([[*near, share, 0, 0], np.hstack([points, components, guesses[:, None]])]).astype(np.float16)


def _guesses(folder: RunFolder, network: Network, step: int, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N,): the predicted classes of the first test pictures, as they were kept, else computed."""
    kept = folder.snapshots.predictions()
    (place,) = np.nonzero(kept.steps == step)
    found = kept.classes[place[0], : len(images)] if len(place) else network.logits(images).argmax(1)
    return np.asarray(found, np.uint8)


def _file(folder: RunFolder, moment: Moment) -> Path:
    return folder.path / "maps" / (f"{moment:08d}.npy" if isinstance(moment, int) else f"{moment}.npy")


if __name__ == "__main__":
    background.give_way()
    main(*sys.argv[1:])

"""What takes seconds to know about a network: computed in the background when the page Inside first asks, without torch.

Kept beside the run as inside/STEP.WHAT.npz, and made again at any time; of a run whose sweep is open, measured on its held-out
pictures, as inside/STEP.WHAT.held-out.npz. WHAT is
    units    how much each unit answers to each picture
    muted    the network without each of its units, one after the other
    trust    how far each map of pixels can be trusted

python -m fmnist_core.runs.service.inspection RUN_FOLDER STEP WHAT
"""

from __future__ import annotations

import fcntl
import io
import sys
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.files import write_whole
from fmnist_core.inside import trust, units
from fmnist_core.inside.network import Network
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.files.snapshots import HIGHEST_FLOAT16
from fmnist_core.runs.sealed import Pictures, SealedFolder, folder_as_seen, scored_on
from fmnist_core.runs.service import background

What = Literal["units", "muted", "trust"]
Arrays = dict[str, npt.NDArray[np.generic]]

KEPT = 12
"""Files that stay on the disk for a run: 3 MB at most for the tutorial's network."""
FIRST = 1_000
"""Pictures after which a slow network's `units` are shown, before the rest is computed."""
MUTED_ON = {"net": 10_000, "perceptron": 10_000, "linear": 0, "residual": 500, "deep": 200, "wide": 0}
"""Test pictures on which each unit is muted, so that it takes minutes at most."""


def read(folder: RunFolder, step: int, what: What) -> Arrays | None:
    """The arrays, by name; None where they have not been computed."""
    try:
        with np.load(_file(folder, step, what)) as kept:
            return {name: kept[name] for name in kept.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def begin(folder: RunFolder, step: int, what: What) -> background.State:
    """Compute in the background unless it is there whole or being computed; how it stands."""
    return background.begin(
        __name__,
        _file(folder, step, what),
        str(folder.path),
        str(step),
        what,
        whole=partial(_whole, folder, step, what),
        threads=1,
    )


def _whole(folder: RunFolder, step: int, what: What) -> bool:
    kept = read(folder, step, what)
    return kept is not None and bool(kept.get("whole", np.array(True)))


# --- In the process ------------------------------------------------------------------------------------------------


def _units(network: Network, pictures: Pictures) -> Iterator[Arrays]:
    images = pictures.images
    for count in (len(images),) if network.config.architecture in ("net", "perceptron") else (FIRST, len(images)):
        found: Arrays = {"whole": np.array(count == len(images)), "pictures": np.array(count)}
        for name, layer in units.excitement(network, images[:count]).items():
            is_large = np.abs(layer.values).max(initial=0) > HIGHEST_FLOAT16  # of a network that has diverged
            found[f"{name}/values"] = layer.values if is_large else layer.values.astype(np.float16)
            found[f"{name}/places"] = layer.places
        yield found


def _muted(network: Network, pictures: Pictures) -> Iterator[Arrays]:
    count = min(MUTED_ON[network.config.architecture], len(pictures.indices))
    images, labels = pictures.images[:count], pictures.labels[:count]
    accuracy = (network.logits(images).argmax(1) == labels).mean() if count else 0.0
    found: Arrays = {"whole": np.array(False), "pictures": np.array(count), "accuracy": np.array(accuracy)}
    if not count:
        yield {**found, "whole": np.array(True)}
        return
    for layer in units.muted(network, images, labels):
        found = {**found, f"{layer.layer}/accuracy": layer.accuracy, f"{layer.layer}/logits": layer.logits}
        yield found
    yield {**found, "whole": np.array(True)}


def _trust(network: Network, pictures: Pictures) -> Iterator[Arrays]:
    count = trust.PICTURES if network.config.architecture in ("net", "linear", "perceptron") else 5
    images = pictures.images[np.random.default_rng(0).permutation(len(pictures.indices))[:count]]
    found = trust.trust(network, images)
    yield {
        "kinds": np.array([row.kind for row in found]),
        "agreement": np.array([row.agreement for row in found]),
        "error": np.array([row.error for row in found]),
        "left": np.array([row.left for row in found]),
        "pictures": np.array(count),
    }


_COMPUTE: dict[What, Callable[[Network, Pictures], Iterator[Arrays]]] = {
    "units": _units,
    "muted": _muted,
    "trust": _trust,
}


def _file(folder: RunFolder, step: int, what: What) -> Path:
    suffix = ".held-out" if isinstance(folder, SealedFolder) else ""
    return folder.path / "inside" / f"{step:08d}.{what}{suffix}.npz"


def main(run_folder: str, step: str, what: What) -> None:
    """Compute and keep; one process at a time, and nothing that is there already."""
    folder = folder_as_seen(RunFolder(Path(run_folder)))
    file = _file(folder, int(step), what)
    file.parent.mkdir(exist_ok=True)
    with open(file.parent / f".{what}.lock", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _whole(folder, int(step), what):
            return
        for arrays in _COMPUTE[what](opened(folder, int(step)), scored_on(folder)):
            content = io.BytesIO()
            np.savez(content, **arrays)  # type: ignore[arg-type]
            write_whole(file, content.getvalue())
        old = sorted(file.parent.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for path in old[:-KEPT]:
            path.unlink(missing_ok=True)


if __name__ == "__main__":
    background.give_way()
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]

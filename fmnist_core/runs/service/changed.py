"""What a network makes of the test pictures when they are moved, turned, darker, with noise.

Computed when a page first asks, in a process of its own; kept beside the run: changed/STEP-v1.npy, (conditions, 10,000) uint8,
the class predicted of each picture in each of `CONDITIONS`.

python -m fmnist_core.runs.service.changed RUN_FOLDER STEP
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.evaluation.robustness import CHANGES, Kind
from fmnist_core.runs.files.arrays import read_array
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import background

Condition = tuple[Kind, float]
Predicted = dict[Condition, npt.NDArray[np.uint8]]

CONDITIONS: tuple[Condition, ...] = tuple(
    (kind, amount) for kind, change in CHANGES.items() for amount in change.strengths
)
VERSION = 1
"""Of `CONDITIONS`: another list gets another number, so that files of the old one are not mistaken for it."""
KEPT = 20
"""Moments that stay on the disk, 280 kB each."""
TESTS = 10_000


def read(folder: RunFolder, step: int) -> Predicted | None:
    """The predicted classes (10,000,) uint8 by condition; None where they have not been computed."""
    try:
        kept = read_array(_file(folder, step))
    except (OSError, ValueError):
        return None
    if kept.dtype != np.uint8 or kept.shape != (len(CONDITIONS), TESTS) or kept.max() > 9:
        return None
    return dict(zip(CONDITIONS, kept, strict=True))


def begin(folder: RunFolder, step: int) -> background.State:
    """Compute them in the background unless they are there or being computed; how it stands."""
    return background.begin(__name__, _file(folder, step), str(folder.path), str(step))


def compute(folder: RunFolder, step: int) -> npt.NDArray[np.uint8]:
    """(conditions, 10,000) uint8. Raises FileNotFoundError where the weights of that step were not kept."""
    network = opened(folder, step)
    images = dataset.load("test").images
    changed = (CHANGES[kind].apply(images, amount) for kind, amount in CONDITIONS)
    config = network.config
    if config.architecture == "net":
        from fmnist_core.training.compiled.predict import predict

        logits = (
            predict(network.weights, part, standardise=config.standardise, flip=config.flip_test, threads=1)
            for part in changed
        )
        return np.stack([found.argmax(axis=1).astype(np.uint8) for found in logits])

    import torch

    from fmnist_core.evaluation.evaluate import evaluate
    from fmnist_core.networks.architectures import build

    torch.set_num_threads(1)  # beside other programs two threads wait for each other
    net = build(config)
    weights = {name: torch.tensor(values) for name, values in network.weights.items()}
    net.load_state_dict(weights, strict=False)  # without the counters of batch normalisation
    labels = np.zeros(TESTS, np.uint8)
    standardise, flip = config.standardise, config.flip_test
    found = (evaluate(net, torch.tensor(part), labels, standardise=standardise, flip=flip) for part in changed)
    return np.stack([evaluation.predictions for evaluation in found])


def _file(folder: RunFolder, step: int) -> Path:
    return folder.path / "changed" / f"{step:08d}-v{VERSION}.npy"


def main(run_folder: str, step: str) -> None:
    """Compute and keep; ends at once where another process does so already."""
    folder = RunFolder(Path(run_folder))
    background.keep(_file(folder, int(step)), KEPT, lambda: compute(folder, int(step)))


if __name__ == "__main__":
    background.give_way()
    main(*sys.argv[1:])

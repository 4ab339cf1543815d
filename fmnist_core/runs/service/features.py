"""What the last hidden layer of a network makes of all 70,000 images, for finding neighbours.

Computed when a page first asks, in a process of its own, because it takes torch; kept beside the run:
features/STEP.npy, (70,000, units) float16, the training images first. The web process only reads the file.

python -m fmnist_core.runs.service.features RUN_FOLDER STEP
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.runs.files.arrays import read_array
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.service import background

if TYPE_CHECKING:
    import torch

KEPT = 3
"""Moments whose features stay on the disk: 7 MB each for the tutorial's 50 units."""
MOST_UNITS = 512
"""A wider layer is not kept: 70,000 images of more numbers than this would not fit a small web process."""

Features = npt.NDArray[np.float16]
State = Literal["ready", "computing", "no hidden layer", "unknown weights", "too wide", "failed"]


def read(folder: RunFolder, step: int) -> Features | None:
    """(70,000, units) float16, at least 0: mapped into memory, not loaded. None where it has not been computed."""
    try:
        kept = read_array(_file(folder, step), mapped=True)
    except (OSError, ValueError):
        return None
    return kept if kept.ndim == 2 and kept.dtype == np.float16 and len(kept) == 70_000 else None


def begin(folder: RunFolder, step: int) -> State:
    """Compute them in the background unless they are there or being computed; how it stands."""
    if _file(folder, step).exists():
        return "ready"
    config = folder.run().config
    if config.architecture == "linear":
        return "no hidden layer"
    if config.architecture in ("net", "perceptron") and config.hidden_units > MOST_UNITS:
        return "too wide"
    return background.begin(__name__, _file(folder, step), str(folder.path), str(step))


def compute(folder: RunFolder, step: int) -> Features:
    """Run all images through the network as it was after `step`: the input of its last linear layer.

    Raises LookupError where the weights of that step were not kept.
    """
    import torch

    from fmnist_core.evaluation.evaluate import evaluate
    from fmnist_core.networks.architectures import build

    torch.set_num_threads(1)  # beside other programs two threads wait for each other: 100 s instead of 3
    config = folder.run().config
    net = build(config)
    net.load_state_dict(_weights(folder, step))
    last = [module for module in net.modules() if isinstance(module, torch.nn.Linear)][-1]
    seen: list[torch.Tensor] = []
    last.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0].half()))
    for name in ("train", "test"):
        split = dataset.load(name)
        evaluate(net, torch.tensor(split.images), split.labels, standardise=config.standardise)
    return torch.cat(seen).numpy()


def _weights(folder: RunFolder, step: int) -> dict[str, torch.Tensor]:
    """Those of the time slider; the last ones are in the checkpoint, too."""
    import torch

    try:
        return {name: torch.tensor(values) for name, values in folder.weights(step).items()}
    except FileNotFoundError:
        kept = folder.read_checkpoint(at_most=step)
        if kept is None or kept[1] != step:
            raise LookupError(f"the weights of step {step:,} were not kept") from None
        return {name.removeprefix("net."): values for name, values in kept[0].items() if name.startswith("net.")}


def _file(folder: RunFolder, step: int) -> Path:
    return folder.path / "features" / f"{step:08d}.npy"


def main(run_folder: str, step: str) -> None:
    """Compute and keep; ends at once where another process does so already."""
    folder = RunFolder(Path(run_folder))
    background.keep(_file(folder, int(step)), KEPT, lambda: compute(folder, int(step)))


if __name__ == "__main__":
    background.give_way()
    main(*sys.argv[1:])

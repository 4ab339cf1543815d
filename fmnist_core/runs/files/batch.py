"""What was in the batch of any step, and how wrong the network was about each of its images then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.settings.config import TRAINING_IMAGES, TrainingConfig


@dataclass(frozen=True, eq=False)
class BatchThen:
    """The batch of one step under the weights kept nearest to it, which may be those of some steps before."""

    step: int
    weights_step: int
    """The weights are those after so many steps: the nearest kept ones that the step could have used."""
    indices: npt.NDArray[np.int64]
    """(batch,) int64: training images, in the order of the batch."""
    labels: npt.NDArray[np.uint8]
    """(batch,) uint8."""
    logits: npt.NDArray[np.float32]
    """(batch, 10): without dropout and without augmentation, so they are near to what training saw, not equal to it."""
    losses: npt.NDArray[np.float64]
    """(batch,): cross-entropy of each image, in nats."""

    @property
    def is_exact(self) -> bool:
        """Whether the weights are the very ones that the step began with."""
        return self.weights_step == self.step - 1


def batch_of(config: TrainingConfig, step: int) -> npt.NDArray[np.int64]:
    """The training images of a step, counted from 1, in the order of its batch, (batch,) int64."""
    return dataset.step_indices(
        TRAINING_IMAGES,
        size=config.batch_size,
        seed=config.seed,
        step=step,
        validation=config.validation,
        fold=config.fold,
    )


def weights_before(folder: RunFolder, step: int) -> int | None:
    """The step whose weights are the nearest kept ones that `step` could have used; None where none are kept."""
    return max((kept for kept in folder.weight_steps() if kept < step), default=None)


def batch_then(folder: RunFolder, step: int) -> BatchThen:
    """The batch of `step`, seen by the network as it was then. Imports torch.

    Raises FileNotFoundError where the run has kept no weights from before this step.
    """
    import torch

    from fmnist_core.evaluation.evaluate import evaluate
    from fmnist_core.networks.architectures import build

    config = folder.run().config
    kept = weights_before(folder, step)
    if kept is None:
        raise FileNotFoundError(f"no weights from before step {step:,} were kept")
    with torch.random.fork_rng(devices=[]):  # building draws weights
        net = build(config)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in folder.weights(kept).items()})
    split, indices = dataset.load("train"), batch_of(config, step)
    images, labels = torch.from_numpy(split.images[indices]), split.labels[indices]
    seen = evaluate(net, images, labels, standardise=config.standardise)
    return BatchThen(step, kept, indices, labels, seen.logits, seen.losses)

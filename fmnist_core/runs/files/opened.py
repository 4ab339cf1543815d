"""A run's network at one of its moments, opened for looking inside: NumPy, without torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.network import Network
from fmnist_core.runs.files.folder import RunFolder


def opened_steps(folder: RunFolder) -> list[int]:
    """The steps whose weights are kept, for the time slider or to branch from, ascending."""
    return sorted({*folder.weight_steps(), *folder.branch_steps()})


def opened(folder: RunFolder, step: int) -> Network:
    """The network as it was after `step`.

    Raises FileNotFoundError where its weights were not kept, ValueError where they do not fit the run's settings.
    """
    return Network(folder.run().config, _weights(folder, step))


def _weights(folder: RunFolder, step: int) -> dict[str, npt.NDArray[np.float32]]:
    try:
        return folder.weights(step)
    except FileNotFoundError:
        return _of_checkpoint(folder, step)


def _of_checkpoint(folder: RunFolder, step: int) -> dict[str, npt.NDArray[np.float32]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(folder.checkpoint(step), "np") as file:
            names = [name for name in file.keys() if name.startswith("net.")]  # noqa: SIM118 - not a dict
            return {name.removeprefix("net."): file.get_tensor(name) for name in names}
    except (SafetensorError, OSError) as error:
        raise FileNotFoundError(f"the weights after step {step} were not kept") from error

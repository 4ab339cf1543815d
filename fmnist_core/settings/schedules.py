"""How the learning rate goes over a run: pure functions of the step, without torch, for training and for drawing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_core.settings.config import Schedule, TrainingConfig

WARM_UP = 0.2
"""Share of the steps in which one-cycle rises."""
LOW_START, LOW_END = 1 / 25, 1 / 250_000
"""Where one-cycle begins and ends, as shares of the highest rate: the defaults of torch's `OneCycleLR`."""
MILESTONES, DROP = (0.5, 0.75), 0.1
""""step" multiplies the rate by `DROP` at each of these shares of the run."""


def factor_at(schedule: Schedule, step: npt.ArrayLike, steps: int) -> npt.NDArray[np.float64]:
    """The share of the learning rate that the update after `step` steps uses: float64, in (0, 1], of `step`'s shape.

    `step`: 0 to steps - 1, a number or an array of them.

    constant: always 1. cosine: half a cosine, from 1 down to nearly 0 (Loshchilov and Hutter, 2017, "SGDR", eq. 5,
    without restarts). one-cycle: in a straight line up, then down (Smith and Topin, 2018, "Super-Convergence").
    step: a tenth after half of the steps, a hundredth after three quarters (as in He et al., 2016, "Deep Residual Learning").

    >>> factor_at("step", [0, 49, 50, 75], 100).round(3).tolist()
    [1.0, 1.0, 0.1, 0.01]
    """
    step = np.asarray(step, np.float64)
    match schedule:
        case "constant":
            return np.ones_like(step)
        case "cosine":
            return (1 + np.cos(np.pi * step / steps)) / 2
        case "one-cycle":
            top = WARM_UP * steps - 1  # as torch's OneCycleLR counts
            rise = LOW_START + (1 - LOW_START) * step / max(top, 1e-9)
            fall = 1 - (1 - LOW_END) * (step - top) / max(steps - 1 - top, 1e-9)
            return np.where(step <= top, rise, np.minimum(fall, 1.0))
        case "step":
            passed = sum((step >= share * steps).astype(int) for share in MILESTONES)
            return np.power(DROP, passed)


def learning_rate_at(config: TrainingConfig, step: npt.ArrayLike, steps: int | None = None) -> npt.NDArray[np.float64]:
    """The learning rate of the update after `step` steps; `steps`: of the whole run, by default what `config` says.

    >>> float(learning_rate_at(TrainingConfig(), 59_999))
    0.001
    """
    return config.learning_rate * factor_at(config.schedule, step, steps or config.total_steps)

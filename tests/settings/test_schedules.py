"""Schedules: the learning rates that torch's own schedulers give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.optim import SGD, lr_scheduler

from fmnist_core.settings.config import Schedule, TrainingConfig
from fmnist_core.settings.schedules import MILESTONES, WARM_UP, learning_rate_at

STEPS, RATE = 200, 0.3


def torchs(schedule: Schedule) -> list[float]:
    """The rate of each of `STEPS` updates by torch's scheduler."""
    optimizer = SGD([torch.zeros(1, requires_grad=True)], RATE)
    scheduler: lr_scheduler.LRScheduler
    match schedule:
        case "constant":
            scheduler = lr_scheduler.ConstantLR(optimizer, factor=1)
        case "cosine":
            scheduler = lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        case "one-cycle":
            scheduler = lr_scheduler.OneCycleLR(
                optimizer, RATE, STEPS, pct_start=WARM_UP, anneal_strategy="linear", cycle_momentum=False
            )
        case "step":
            scheduler = lr_scheduler.MultiStepLR(optimizer, [int(share * STEPS) for share in MILESTONES], gamma=0.1)
    rates = []
    for _step in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle", "step"])
def test_every_schedule_is_torchs(schedule: Schedule):
    """Each rate of a run is that of the scheduler of the same name in torch; one number or all at once."""
    config = TrainingConfig(schedule=schedule, learning_rate=RATE, step_limit=STEPS)
    expected = torchs(schedule)
    np.testing.assert_allclose(learning_rate_at(config, np.arange(STEPS)), expected, rtol=1e-9)
    assert [float(learning_rate_at(config, step)) for step in (0, 7, 199)] == pytest.approx(
        [expected[step] for step in (0, 7, 199)]
    )


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle", "step"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5, 1000])
def test_rates_stay_above_zero_and_below_the_setting(schedule: Schedule, steps: int):
    """However short the run is, no update is thrown away and none is larger than asked for."""
    config = TrainingConfig(schedule=schedule, learning_rate=RATE)
    rates = learning_rate_at(config, np.arange(steps), steps)
    assert rates.shape == (steps,)
    assert (rates > 0).all()
    assert (rates <= RATE * (1 + 1e-12)).all()

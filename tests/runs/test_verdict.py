"""The verdict on a run that is over: each outcome from curves that show it, and dead units counted from real weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmnist_core.data import dataset
from fmnist_core.evaluation.score import Score
from fmnist_core.inside.dead_units import Dead, dead_units
from fmnist_core.inside.network import Network
from fmnist_core.networks.net import Net
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.verdict import Outcome, Verdict, verdict
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Measured

CONFIG = TrainingConfig(batch_size=600, epochs=8)
EACH = CONFIG.steps_per_epoch
JUMP, FLAT = np.float32([2.3, 9.0, 2.3]), np.float32([2.31, 2.3, 2.3])


def score(loss: float, accuracy: float) -> Score:
    return Score(loss, (round(1000 * accuracy),) * 10, (1000,) * 10)


def run_with(
    test: Sequence[tuple[float, float]], train: Sequence[float] = (), state: State = State.FINISHED, **settings: object
) -> Run:
    """A run with (loss, accuracy) on the test images before training and after each epoch."""
    config = replace(CONFIG, **settings)  # type: ignore[arg-type]
    measured = tuple(
        Measured(EACH * n, float(n), float(n), score(loss, accuracy), score(train[n] if train else loss, accuracy))
        for n, (loss, accuracy) in enumerate(test)
    )
    step = EACH * (len(test) - 1)
    return Run(
        "0123456789ab",
        1,
        "",
        "2026-11-28T00:00:00+00:00",
        config,
        state=state,
        measured=measured,
        step=step,
        steps_per_epoch=EACH,
    )


def judged(run: Run, losses: np.ndarray = FLAT, kept: Sequence[int] = (0,), dead: Sequence[Dead] = ()) -> Verdict:
    return verdict(run, lambda: losses, kept, lambda: dead)


UNTRAINED = (2.31, 0.1)
FALLING = [
    UNTRAINED,
    (0.9, 0.7),
    (0.7, 0.75),
    (0.6, 0.78),
    (0.55, 0.8),
    (0.5, 0.82),
    (0.47, 0.83),
    (0.45, 0.84),
    (0.43, 0.85),
]
LEVEL = [
    UNTRAINED,
    (0.5, 0.8),
    (0.4, 0.85),
    (0.36, 0.87),
    (0.35, 0.875),
    (0.35, 0.876),
    (0.349, 0.876),
    (0.35, 0.876),
    (0.349, 0.876),
]
RISING = [
    UNTRAINED,
    (0.5, 0.8),
    (0.4, 0.85),
    (0.36, 0.87),
    (0.37, 0.87),
    (0.4, 0.87),
    (0.45, 0.87),
    (0.5, 0.87),
    (0.55, 0.87),
]
LEARNS_BY_HEART = [2.31, 0.5, 0.38, 0.3, 0.25, 0.2, 0.15, 0.1, 0.06]


def test_still_falling_loss_wants_more_epochs():
    """From the end, where that was kept; else from the beginning."""
    run = run_with(FALLING)
    found = judged(run, kept=[0, 8 * EACH])
    assert found.outcome is Outcome.STILL_LEARNING
    assert "fell from 0.470 after epoch 6 to 0.430." in found.words
    assert "fell from 2.310 before training to 0.700." in judged(run_with([UNTRAINED, (0.7, 0.74)])).words
    assert found.next
    assert (found.next.label, found.next.from_step, found.next.config.epochs) == (
        "Go on for 8 more epochs",
        8 * EACH,
        16,
    )
    again = judged(run, kept=[0]).next
    assert again
    assert (again.label, again.from_step) == ("Train 16 epochs", None)


def test_level_loss_has_learned():
    """Accuracy before and after, and since when nothing more came."""
    found = judged(run_with(LEVEL))
    assert found.outcome is Outcome.LEARNED
    assert "87.6" in found.words
    assert "10.0" in found.words
    assert "since epoch 4" in found.words
    assert found.next
    assert found.next.config == replace(CONFIG, seed=1)


def test_schedule_that_has_ended_is_not_told_to_go_on():
    """Its last epochs always fall: the learning rate does."""
    assert judged(run_with(FALLING, schedule="cosine")).outcome is Outcome.LEARNED


def test_rising_test_loss_over_falling_training_loss_is_overfitting():
    """Since the epoch of the lowest test loss; moved pictures first, then dropout, then an earlier end."""
    found = judged(run_with(RISING, LEARNS_BY_HEART))
    assert found.outcome is Outcome.OVERFITTING
    assert "since epoch 3" in found.words
    assert found.next
    assert (found.next.config.shift, found.next.config.flip) == (2, True)
    then = judged(run_with(RISING, LEARNS_BY_HEART, flip=True)).next
    assert then
    assert then.config.dropout == 0.5
    last = judged(run_with(RISING, LEARNS_BY_HEART, flip=True, dropout=0.5)).next
    assert last
    assert last.config.epochs == 3
    assert judged(run_with(RISING, [loss for loss, _ in RISING])).outcome is not Outcome.OVERFITTING


def test_chance_is_learned_nothing_and_says_why():
    """Dead units and a loss that jumped: too large; neither: too small."""
    run = run_with([UNTRAINED, *[(2.303, 0.1)] * 8], learning_rate=10.0)
    found = judged(run, JUMP, dead=[Dead("conv2", "filters", 3, 20), Dead("fc1", "units", 50, 50)])
    assert found.outcome is Outcome.LEARNED_NOTHING
    assert "50 of 50 hidden units are dead" in found.words
    assert "ln 10" in found.words
    assert found.next
    assert found.next.config.learning_rate == 1.0
    small = judged(replace(run, config=replace(run.config, learning_rate=1e-5)), FLAT)
    assert "too small" in small.words
    assert small.next
    assert small.next.label == "Try learning rate 0.0001"


def test_fall_from_what_was_known_is_branched_from_before_it():
    """The last kept step at which it still knew something, with a tenth of the rate."""
    run = run_with([UNTRAINED, (0.6, 0.78), (0.5, 0.82), *[(2.303, 0.1)] * 6], learning_rate=0.5)
    found = judged(run, JUMP, kept=[0, EACH, 2 * EACH, 3 * EACH])
    assert found.outcome is Outcome.FELL_BACK
    assert "82.0" in found.words
    assert found.next
    assert (found.next.from_step, found.next.config.learning_rate) == (2 * EACH, 0.05)
    diverged = judged(replace(run, state=State.DIVERGED, reason="It did."), kept=[0, EACH])
    assert (diverged.outcome, diverged.words) == (Outcome.DIVERGED, "It did.")
    assert diverged.next
    assert diverged.next.from_step == EACH


def test_early_stop_can_be_gone_on_with():
    """Before the first epoch nothing can be told; later the planned end is offered."""
    found = judged(run_with([UNTRAINED], state=State.STOPPED), kept=[0, 40])
    assert found.outcome is Outcome.TOO_EARLY
    assert found.next
    assert found.next.from_step == 40
    later = judged(run_with(FALLING[:5], state=State.STOPPED), kept=[0, 4 * EACH]).next
    assert later
    assert (later.label, later.from_step) == ("Go on to epoch 8", 4 * EACH)


def test_what_an_open_sweep_hides_is_not_in_the_verdict():
    """Held-out images speak where the test images wait for a choice."""
    run = run_with(LEVEL)
    sealed = tuple(replace(m, test=None, validation=score(m.shown.loss, 0.5)) for m in run.measured if m.shown)
    found = judged(replace(run, measured=sealed, is_sealed=True))
    assert "50.0" in found.words
    assert "held-out images" in found.words
    assert "87" not in found.words


@pytest.mark.parametrize("killed", [0, 7, 50])
def test_dead_units_are_those_whose_relu_torch_never_sees_above_zero(killed: int):
    """Counted in NumPy from the weights; torch's own forward pass agrees, unit by unit."""
    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net.fc1.bias[:killed] = -math.inf if killed == 0 else -1e6
        net.conv2.bias[3] = -1e6
    images = dataset.load("test").images[:200]
    found = dead_units(
        Network(TrainingConfig(), {name: value.numpy() for name, value in net.state_dict().items()}), images
    )
    x = torch.from_numpy(images.astype(np.float32) / 255)[:, None]
    with torch.no_grad():
        conv1 = net.conv1(x)
        conv2 = net.conv2(net.pool(conv1.relu()))
        fc1 = net.fc1(net.pool(conv2.relu()).flatten(1))
    counts = [
        int((sums.amax(dim=tuple(d for d in range(sums.dim()) if d != 1)) <= 0).sum()) for sums in (conv1, conv2, fc1)
    ]
    assert [(dead.layer, dead.kind, dead.count, dead.of) for dead in found] == [
        ("conv1", "filters", counts[0], 10),
        ("conv2", "filters", counts[1], 20),
        ("fc1", "units", counts[2], 50),
    ]
    assert counts[2] >= killed
    assert counts[1] >= 1

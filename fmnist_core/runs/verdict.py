"""What came of a run, in words, and the next thing to try. No torch: told from what the run has recorded and kept."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import CHANCE
from fmnist_core.inside.dead_units import Dead, dead_units
from fmnist_core.inside.network import Network
from fmnist_core.runs import client
from fmnist_core.runs.files import curve
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import HIGHEST_LEARNING_RATE, SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Whole
from fmnist_core.training.events import Measured

LEARNED_SOMETHING = 2 * CHANCE
"""Accuracy that nobody reaches by guessing."""
NOTHING_LEARNED = 1.1 * CHANCE
MATTERS = 0.01
"""Share by which a loss must change to count: a percent is about what 10,000 test images can tell."""
LOOKED_AT = 1_000
"""Test images by which dead units are counted: 60 ms in NumPy."""


DeadUnits = Callable[[], Sequence[Dead]]
Losses = Callable[[], npt.NDArray[np.float32]]


class Outcome(StrEnum):
    """What came of a run."""

    LEARNED = "learned"
    STILL_LEARNING = "still learning"
    OVERFITTING = "overfitting"
    FELL_BACK = "fell back"
    LEARNED_NOTHING = "learned nothing"
    DIVERGED = "diverged"
    TOO_EARLY = "too early to tell"
    FAILED = "failed"


@dataclass(frozen=True)
class Next:
    """The next thing to try."""

    label: str
    config: TrainingConfig
    from_step: int | None = None
    """The kept step to branch off at; None: from the beginning."""


@dataclass(frozen=True)
class Verdict:
    """What came of a run."""

    outcome: Outcome
    words: str
    """One or two sentences, plain text."""
    next: Next | None = None


def verdict_of(run: Run) -> Verdict | None:
    """What came of `run`, from its files; None as long as it is not over."""
    if not run.state.is_final:
        return None
    try:
        kept = client.folder(run.id).branch_steps()
    except (client.RunNotFound, OSError, ValueError):
        kept = []
    return verdict(run, lambda: _losses(run), kept, lambda: _dead_at_the_end(run))


def verdict(run: Run, losses: Losses, kept: Sequence[int], dead: DeadUnits) -> Verdict:
    """What came of a run that is over.

    `losses`: gives (steps,) of every batch, `dead`: counts the dead units; called only where nothing was learned. `kept`: steps
    that another run can branch off at.
    """
    points = [measured for measured in run.measured if measured.shown and measured.step]
    if run.state is State.FAILED:
        once_more = Next("Start it again", run.config)
        if not run.device and run.config.device not in ("auto", "cpu"):  # it never got so far: the device is not there
            once_more = Next("Start it on the fastest device there is", replace(run.config, device="auto"))
        return Verdict(Outcome.FAILED, run.reason, once_more)
    best = max(points, key=_accuracy, default=None)
    knew = best if best and _accuracy(best) > LEARNED_SOMETHING else None
    if run.state is State.DIVERGED:
        return Verdict(Outcome.DIVERGED, run.reason, _slower(run, knew, kept))
    if not points:
        again = Next(f"Go on from step {kept[-1]:,}", run.config_now, kept[-1]) if kept and kept[-1] else None
        words = "It was stopped before its first epoch was over: too early to tell."
        return Verdict(Outcome.TOO_EARLY, words, again or Next("Start it again", run.config))
    if _accuracy(points[-1]) < NOTHING_LEARNED:
        return _learned_nothing(run, knew, losses(), kept, dead())
    return _learned(run, points, kept)


# --- It learned ------------------------------------------------------------------------------------------------------


def _learned(run: Run, points: Sequence[Measured], kept: Sequence[int]) -> Verdict:
    images, last = _images(run), points[-1]
    losses = [_loss(point) for point in points]
    lowest = points[int(np.argmin(losses))]
    before = f", {_percent(_accuracy(run.measured[0]))} before training" if run.measured[0].step == 0 else ""
    reached = f"{_percent(_accuracy(last))} of the {images} are right{before}."
    if (
        points.index(lowest) < len(points) - 2
        and _loss(last) > (1 + 3 * MATTERS) * _loss(lowest)
        and last.train.loss < lowest.train.loss
    ):
        words = (
            f"It overfits since epoch {lowest.epoch:.3g}: the loss on the training images went on falling "
            f"({lowest.train.loss:.3f} → {last.train.loss:.3f}), that on the {images} rose "
            f"({_loss(lowest):.3f} → {_loss(last):.3f}). {reached}"
        )
        return Verdict(Outcome.OVERFITTING, words, _against_overfitting(run.config, round(lowest.epoch)))
    earlier = [point for point in run.measured if point.shown and point.epoch <= 0.75 * last.epoch]
    lowest_before = min(earlier, key=_loss, default=None)
    fell = lowest_before is None or min(losses) < (1 - MATTERS) * _loss(lowest_before)
    stopped = run.state is State.STOPPED
    annealed = run.config.schedule != "constant" and not stopped
    if fell and not annealed:
        start = f"from {_loss(lowest_before):.3f} {_when(lowest_before)} " if lowest_before else ""
        words = f"It was still learning: the loss on the {images} fell {start}to {min(losses):.3f}. {reached}"
        return Verdict(Outcome.STILL_LEARNING, words, _further(run, kept))
    since = next(point for point in points if _loss(point) <= (1 + MATTERS) * min(losses))
    ended = (
        "Its schedule has brought the learning rate down to the end."
        if annealed
        else f"The loss on the {images} has hardly moved since epoch {since.epoch:.3g}."
    )
    return Verdict(Outcome.LEARNED, f"It learned: {reached} {ended}", _once_more(run.config))


def _when(point: Measured) -> str:
    return f"after epoch {point.epoch:.3g}" if point.step else "before training"


def _once_more(config: TrainingConfig) -> Next:
    """The same from other weights: how much of the result was luck."""
    ends = SETTINGS["seed"].range
    assert isinstance(ends, Whole)
    seed = config.seed + 1 if config.seed < ends.high else ends.low
    return Next(f"Train it again with seed {seed}", replace(config, seed=seed))


def _further(run: Run, kept: Sequence[int]) -> Next | None:
    """More epochs: on from the end where that was kept; where a stop cut it short, to the end that was planned."""
    now = run.config_now
    if run.state is State.STOPPED:
        return Next(f"Go on to epoch {now.epochs}", now, kept[-1]) if kept and kept[-1] else None
    if (epochs := min(2 * now.epochs, _most_epochs())) == now.epochs:
        return None
    longer = replace(now, epochs=epochs, step_limit=0)
    more = epochs - now.epochs
    if kept and kept[-1] == run.step:
        return Next(f"Go on for {more} more epoch{'s' * (more > 1)}", longer, run.step)
    return Next(f"Train {epochs} epochs", longer)


def _against_overfitting(config: TrainingConfig, best_epoch: int) -> Next | None:
    if not (config.shift or config.flip):
        return Next("Train with moved and mirrored pictures", replace(config, shift=2, flip=True))
    if config.architecture in ("net", "perceptron") and config.dropout < 0.5:
        return Next("Train with dropout 0.5", replace(config, dropout=0.5))
    return Next(f"Train {best_epoch} epochs only", replace(config, epochs=best_epoch)) if best_epoch else None


# --- It did not ------------------------------------------------------------------------------------------------------


def _learned_nothing(
    run: Run, knew: Measured | None, losses: npt.NDArray[np.float32], kept: Sequence[int], dead: Sequence[Dead]
) -> Verdict:
    now, last = run.config_now, run.measured[-1]
    layer = max((found for found in dead if found.count), key=lambda found: found.count / found.of, default=None)
    corpses = ""
    if layer:
        what = "hidden units" if layer.kind == "units" else f"filters of {layer.layer}"
        corpses = f" {layer.count} of {layer.of} {what} are dead: their ReLU gives 0 for every picture, so nothing teaches them any more."
    stands = f" The loss stands at {_loss(last):.3f}; a blind guess has ln 10 = 2.303." if _loss(last) < 2.5 else ""
    rate = f"the learning rate {_number(now.learning_rate)}"
    finite = losses[np.isfinite(losses)]
    jumped = len(finite) > 0 and finite.max() > 1.1 * finite[0]  # what too large steps do and too small ones do not
    if knew:
        words = (
            f"It had learned ({_percent(_accuracy(knew))} after epoch {knew.epoch:.3g}) and fell back to chance: {rate} was too "
            f"large.{corpses}{stands}"
        )
        return Verdict(Outcome.FELL_BACK, words, _slower(run, knew, kept))
    if jumped or (layer and layer.count > 0.5 * layer.of):
        words = f"It learned nothing: {rate} was too large.{corpses}{stands}"
        return Verdict(Outcome.LEARNED_NOTHING, words, _slower(run, None, kept))
    words = f"It learned next to nothing, and its loss never jumped: {rate} was probably too small for so few steps.{stands}"
    larger = _rate(10 * now.learning_rate)
    return Verdict(Outcome.LEARNED_NOTHING, words, _with_rate(run.config, larger))


def _slower(run: Run, knew: Measured | None, kept: Sequence[int]) -> Next:
    """A tenth of the rate: from the last kept step at which it still knew something, else from the beginning."""
    rate = _rate(0.1 * run.config_now.learning_rate)
    step = max((step for step in kept if knew and 0 < step <= knew.step), default=None)
    if step is not None:
        epoch = step / run.config.steps_per_epoch
        label = f"Branch from epoch {epoch:.3g} with learning rate {_number(rate)}"
        return Next(label, replace(run.config_at(step), learning_rate=rate), step)
    return _with_rate(run.config, rate)


def _with_rate(config: TrainingConfig, rate: float) -> Next:
    return Next(f"Try learning rate {_number(rate)}", replace(config, learning_rate=rate))


def _losses(run: Run) -> npt.NDArray[np.float32]:
    with contextlib.suppress(client.RunNotFound, OSError, ValueError):
        return curve.losses(client.folder(run.id))
    return np.empty(0, np.float32)


def _dead_at_the_end(run: Run) -> list[Dead]:
    """Counted from the weights that were kept last; none where they were not, or the test images are missing."""
    with contextlib.suppress(client.RunNotFound, OSError, ValueError, KeyError, dataset.DatasetError):
        folder = client.folder(run.id)
        if steps := folder.weight_steps():
            return _dead(folder, run.config, steps[-1])
    return []


@lru_cache(maxsize=64)
def _dead(folder: RunFolder, config: TrainingConfig, step: int) -> list[Dead]:
    return dead_units(Network(config, folder.weights(step)), dataset.load("test").images[:LOOKED_AT])


# --- Words -----------------------------------------------------------------------------------------------------------


def _accuracy(measured: Measured) -> float:
    return measured.shown.accuracy if measured.shown else 0.0


def _loss(measured: Measured) -> float:
    return measured.shown.loss if measured.shown else math.inf


def _images(run: Run) -> str:
    return "held-out images" if run.is_sealed else "test images"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


def _number(rate: float) -> str:
    return np.format_float_positional(float(f"{rate:.3g}"), trim="-")


def _rate(rate: float) -> float:
    return min(float(f"{rate:.1g}"), HIGHEST_LEARNING_RATE)


def _most_epochs() -> int:
    ends = SETTINGS["epochs"].range
    assert isinstance(ends, Whole)
    return ends.high

"""For a notebook or a script: start a run, watch it, and see what came of it. docs/terminal.md shows it in ten lines.

Runs are the same ones that the pages show: they go on when the script ends.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.export.results import results_of
from fmnist_core.runs import client
from fmnist_core.runs.client import RunNotFound, RunRefused
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.training.events import Losses
from fmnist_core.views.charts import Curve, loss_curves
from fmnist_core.views.colours import TRAIN

LOOKS_EVERY = 0.2
"""Seconds."""


def start(config: TrainingConfig | None = None, name: str = "") -> Run:
    """Put a run into the queue; by default with the tutorial's settings. Raises RunRefused with a sentence."""
    return client.get(client.start(config or TrainingConfig(), name))


def follow(run: Run) -> Iterator[tuple[int, float]]:
    """Each step, counted from 1, and its loss, as training goes; ends when the run does, or is paused. Raises RunNotFound."""
    folder, offset = client.folder(run.id), 0
    while True:
        is_over = not client.get(run.id).is_active  # before the events are read, so that the last are among them
        told, offset = folder.news(offset)
        for event in told:
            if isinstance(event, Losses):
                yield from enumerate(event.losses, start=event.step + 1)
        if is_over and not told:
            return
        if not told:
            time.sleep(LOOKS_EVERY)


def wait(run: Run) -> Run:
    """The run once it is over or paused, with all its measurements. Raises RunNotFound."""
    while (now := client.get(run.id)).is_active:
        time.sleep(LOOKS_EVERY)
    return now


def predictions(run: Run) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Class and confidence of each test image at the newest measurement, (10,000,) each.

    Of a run whose sweep is open: of each held-out image. Raises LookupError where there are none.
    """
    found = _evaluation(run)
    return found.predictions, found.confidences


def logits(run: Run) -> npt.NDArray[np.float32]:
    """(10,000, 10) float32, in the order of the test images; else as `predictions`."""
    return _evaluation(run).logits


def _evaluation(run: Run) -> Evaluation:
    results = results_of(client.get(run.id))
    if results is None or results.evaluation is None:
        raise LookupError("There are no predictions yet: wait for the first measurement.")
    return results.evaluation


def figure(*runs: Run) -> go.Figure:
    """Training and test loss over the epochs, of one or several runs: a Plotly figure, to show or to write."""
    colours = [TRAIN, "#D55E00", "#009E73", "#CC79A7", "#E69F00"]
    curves = [
        Curve(
            now.title,
            colours[number % len(colours)],
            client.folder(now.id).losses(),
            now.config.batch_size,
            now.config.steps_per_epoch,
            now.measured,
        )
        for number, now in enumerate(client.get(run.id) for run in runs)
    ]
    return loss_curves(curves, logarithmic=False)


__all__ = [
    "RECIPES",
    "Run",
    "RunNotFound",
    "RunRefused",
    "TrainingConfig",
    "figure",
    "follow",
    "logits",
    "predictions",
    "start",
    "wait",
]

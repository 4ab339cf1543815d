"""A chart that follows a race by polling the app's route: the copies together, and each for itself."""

from __future__ import annotations

import plotly

from fmnist_core.runs.files.record import Run
from fmnist_core.settings.jobs import Race
from fmnist_core.views.colours import REFERENCE, TEST, TRAIN, WRONG
from pages.parts.components import load

_component = load("race_chart", scripts=["asking.js", "following.js"], isolate_styles=False)


def race_chart(run: Run, job: Race) -> None:
    """The losses of all copies as a band, their accuracies, and a small curve for each, as the race goes."""
    rates, seeds = job.learning_rates(run.config), job.seeds(run.config)
    by_rate = job.vary == "learning_rate"
    _component(
        key=f"race_chart_{run.id}",
        data={
            "run": run.id,
            "stepsPerEpoch": run.config.steps_per_epoch,
            "epochs": run.config.epochs,
            "byRate": by_rate,
            "rates": rates,
            "names": [f"{rate:g}" for rate in rates] if by_rate else [f"seed {seed}" for seed in seeds],
            "library": plotly.__version__,
            "colours": {"band": TEST, "accuracy": TRAIN, "reference": REFERENCE, "out": WRONG},
        },
    )

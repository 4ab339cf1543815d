"""A chart that follows a race by polling the app's route: the copies together, and each for itself."""

from __future__ import annotations

from pathlib import Path

import plotly
import streamlit as st

from fmnist_core.runs.record import Run
from fmnist_core.settings.jobs import Race
from fmnist_core.views.colours import REFERENCE, TEST, TRAIN, WRONG

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "race_chart",
    html=(_HERE / "race_chart.html").read_text(),
    css=(_HERE / "race_chart.css").read_text(),
    js="\n".join((_HERE / name).read_text() for name in ("../following.js", "race_chart.js")),
    isolate_styles=False,  # plotly.js puts its own style sheet into the document
)


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

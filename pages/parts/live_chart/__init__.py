"""A chart that follows a run by polling the app's route: no script run, no flicker, and the zoom stays."""

from __future__ import annotations

from pathlib import Path

import plotly
import streamlit as st

from fmnist_core.runs.record import Run
from fmnist_core.views.colours import REFERENCE, TEST, TRAIN

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "live_chart",
    html=(_HERE / "live_chart.html").read_text(),
    css=(_HERE / "live_chart.css").read_text(),
    js=(_HERE / "live_chart.js").read_text(),
    isolate_styles=False,  # plotly.js puts its own style sheet into the document
)


def live_chart(run: Run) -> None:
    """Loss per window of batches and accuracy per epoch of `run`, as it goes."""
    _component(
        key=f"live_chart_{run.id}",
        data={
            "run": run.id,
            "stepsPerEpoch": run.config.steps_per_epoch,
            "epochs": run.config.epochs,
            "library": plotly.__version__,
            "colours": {"train": TRAIN, "test": TEST, "reference": REFERENCE},
        },
    )

"""What dropout does, answered by the run itself: the same once more without it, in one click, then both side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig
from pages.parts import address, frame, starting
from pages.parts.person import person

WITH_HIDDEN_UNITS = ("net", "perceptron")
"""The architectures that have the layer that dropout works on."""


def uses_dropout(config: TrainingConfig) -> bool:
    """Whether it leaves hidden units out while it trains."""
    return config.dropout > 0 and config.architecture in WITH_HIDDEN_UNITS


def without_dropout(run: Run, runs: Sequence[Run]) -> None:
    """What dropout is; a button that trains the same without it, or the way to the comparison. Nothing where there is none.

    A run that was steered or branched off is left out: its settings alone did not make its result. So is one of an open sweep.
    """
    if not uses_dropout(run.config) or not run.is_replicate or run.is_sealed:
        return
    share = f"{100 * run.config.dropout:.0f}\u00a0%"
    st.markdown(
        f"**What dropout does.** Each training step leaves out {share} of the hidden units, drawn anew, so that none can rely on "
        "another. Does that help here? Train the same without it, and see."
    )
    wanted = replace(run.config, dropout=0.0)
    twins = [other for other in runs if other.config == wanted and other.is_replicate and not other.is_sealed]
    ended = (State.STOPPED, State.DIVERGED, State.FAILED)
    if twin := next((other for other in twins if other.state not in ended), None):
        if twin.latest and run.latest:
            pair = f"{run.id},{twin.id}"
            frame.page_link("compare", "Compare with and without", icon=":material/compare_arrows:", runs=pair)
        else:
            st.caption("It waits in the queue.")
    else:
        name = f"{run.title[: client.NAME_LENGTH - 20]}, no dropout"
        starting.button(
            "Train the same without dropout",
            "without_dropout",
            lambda: client.start(wanted, name, owner=person()),
            lambda started: address.put(beside=started),
            icon=":material/play_arrow:",
            help="Starts a run that differs in nothing else, and lays it over this chart.",
        )

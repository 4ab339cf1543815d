"""A chart that follows a run by polling the app's route: no script run, no flicker, and the zoom stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly

from fmnist_core.runs.files.record import Run
from fmnist_core.views.charts import objective_words
from fmnist_core.views.colours import REFERENCE, RUNS, TEST, TRAIN
from pages.parts.components import load
from pages.parts.runs.now import now

_component = load("live_chart", scripts=["asking.js", "following.js", "live_chart/curve.js"], isolate_styles=False)


def live_chart(
    run: Run,
    beside: Sequence[Run] = (),
    *,
    on_step: Callable[[], None] = lambda: None,
    is_new: bool = False,
) -> None:
    """State, figures, loss per batch and accuracy per epoch of `run` as it goes, over those of the runs `beside` it.

    `on_step` is called when a step was clicked: its number is `session_state[f"live_chart_{run.id}"].step`. The script runs
    again by itself when what it drew for the run no longer fits (`now.drawn_for`). `is_new`: comes into sight by itself.
    """
    others = [_facts(other) | {"colour": RUNS[2 + n % (len(RUNS) - 2)]} for n, other in enumerate(beside)]
    _component(
        key=f"live_chart_{run.id}",
        data={
            "curves": [_facts(run), *others],
            "library": plotly.__version__,
            "colours": {"train": TRAIN, "test": TEST, "reference": REFERENCE},
            "now": now(run),
            "isNew": is_new,
        },
        on_step_change=on_step,
        on_drawn_for_change=lambda: None,
    )


def _facts(run: Run) -> dict[str, object]:
    steps_per_epoch = run.config.steps_per_epoch
    return {
        "run": run.id,
        "name": run.title,
        "stepsPerEpoch": steps_per_epoch,
        "steps": run.config.total_steps,
        "ended": run.step if run.state.is_final else None,
        "batchSize": run.config.batch_size,
        "imagesPerEpoch": 60_000 - run.config.validation,
        "split": "validation" if run.is_sealed else "test",
        "branchedAt": run.first_step or None,
        "objective": objective_words(run.config),
    }

"""A slider over the kept moments of a run: dragging draws in the browser, letting go tells the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs.files.record import Run
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts.components import load

_component = load("time_slider")


def time_slider(
    run: Run,
    steps: Sequence[int],
    shown: int,
    *,
    on_move: Callable[[], None],
    logits: npt.NDArray[np.float32] | None = None,
    true_class: int | None = None,
    left_out: Sequence[int] = (),
    compact: bool = False,
    key: str,
) -> None:
    """Draw it at step `shown` of `steps` (ascending). `on_move` is called when it was moved: `session_state[key].moved`.

    `logits`: of one image at each step, (steps, 10), to show its probabilities instead of the figures of all classes.
    `left_out`: test images that do not count. `compact`: the slider alone, without figures.
    """
    _component(
        key=key,
        data={
            "run": run.id,
            "steps": list(steps),
            "shown": shown,
            "stepsPerEpoch": run.config.steps_per_epoch,
            "images": 10_000,
            "classes": CLASSES,
            "colours": CLASS_COLOURS,
            "logits": None if logits is None else np.round(logits.astype(float), 3).tolist(),
            "trueClass": true_class,
            "leftOut": list(left_out),
            "compact": compact,
        },
        on_moved_change=on_move,
    )

"""The one time slider: which moment of a run a page shows. Everything on the page moves with it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Run, State
from pages.parts import address, frame
from pages.parts.components.time_slider import time_slider

WORTH_DRAWING = 10
"""New moments for which the page is drawn again."""


def moment(
    run: Run, *, image: int | None = None, kept: npt.NDArray[np.bool_] | None = None, compact: bool = False
) -> int:
    """Draw the slider over all moments that `run` keeps; the step that the page is about, by default the last.

    Of a run that has diverged it is the last at which the network still said something.

    It is in the address as `?step=`; a step that was not kept means the one kept before it. Without `image` the slider
    shows accuracy and mistakes of all classes; with it, what the network says of that test image. `kept`: (10,000,),
    True for the test images that count, None for all. `compact`: the slider alone.
    """
    folder = client.folder(run.id)
    steps = folder.logit_steps()
    if not steps or (run.latest and run.latest.step not in steps):  # files are missing: there is no time to move in
        return run.latest.step if run.latest else 0
    usual = steps[-1] if run.state is not State.DIVERGED else _last_finite(folder, steps)
    wanted = address.whole("step", high=max(steps[-1], run.steps, 1), default=usual)
    step = max((known for known in steps if known <= wanted), default=steps[0])
    key = f"time_{run.id}"
    time_slider(
        run,
        steps,
        step,
        key=key,
        logits=None if image is None else folder.snapshots.logits_of(image, steps),
        true_class=None if image is None else int(frame.data_or_stop("test").labels[image]),
        left_out=() if kept is None else np.flatnonzero(~kept).tolist(),
        compact=compact,
        on_move=lambda: _moved(key, steps, usual),
    )
    if run.state.is_final and not folder.snapshots.is_developed:
        st.fragment(_wait_for_more, run_every=2.0, key="moments")(run.id, len(steps))
    return step


def _wait_for_more(run_id: str, shown: int) -> None:
    """After training, what the network said at the moments in between is computed: then the page is drawn again."""
    try:
        snapshots = client.folder(run_id).snapshots
    except client.RunNotFound:
        st.rerun()
    if left := len(snapshots.undeveloped()):
        with contextlib.suppress(OSError):  # read-only: then it is their turn later
            client.folder(run_id).ask("look")
        st.caption(f":material/timelapse: {left} more moments are being computed in the background, at low priority.")
    if len(snapshots.logit_steps()) >= shown + WORTH_DRAWING or (not left and snapshots.is_developed):
        st.rerun()


def _last_finite(folder: RunFolder, steps: Sequence[int]) -> int:
    for step in reversed(steps):
        with contextlib.suppress(OSError, ValueError):  # damaged: one before it
            if np.isfinite(folder.logits(step)).all():
                return step
    return steps[-1]


def _moved(key: str, steps: Sequence[int], usual: int) -> None:
    """The step where the slider was let go is in the address; the usual one needs no word there."""
    step = st.session_state[key].moved
    if step in steps:
        address.put(step=None if step == usual else int(step))

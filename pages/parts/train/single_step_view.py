"""One step at a time: what a paused run does in a single step, down to the arithmetic of one weight."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.files.single_step import SingleStep
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.person import may_change
from pages.parts.text import decimal, signed

SHOWN = 40
Floats = npt.NDArray[np.float32]


def single_step_view(run: Run) -> None:
    """The button of a paused run, and the steps that were taken alone; nothing where there are none."""
    folder = client.folder(run.id)
    steps = folder.single_steps()
    takes_more = run.state is State.PAUSED and may_change(run)
    if not takes_more and not steps:
        return
    with st.container(border=True):
        st.subheader("One step at a time", anchor=False)
        if takes_more:
            _button(run)
        if not steps:
            st.caption("The next step of this run, taken alone, with every number that it used.")
            return
        step = steps[-1]
        if len(steps) > 1:
            step = st.select_slider(
                "Step", steps, step, key=f"single_{run.id}_{len(steps)}", format_func=lambda n: f"{n:,}"
            )
        try:
            _show(folder.single_step(step))
        except (OSError, ValueError, KeyError, TypeError):
            st.warning("The numbers of this step cannot be read.", icon=":material/broken_image:")


def _button(run: Run) -> None:
    waiting = client.folder(run.id).is_asked("step")
    if st.button(
        f"Take step {run.step + 1:,}",
        icon=":material/skip_next:",
        type="primary",
        key=f"take_step_{run.step}",
        disabled=waiting,
        shortcut="s",
    ):
        try:
            client.step_once(run.id)
        except (client.RunNotFound, client.RunRefused) as error:
            st.toast(frame.plain(str(error)), icon=":material/block:")
        else:
            waiting = True
    if waiting:
        st.fragment(_wait, run_every=0.4, key="step_wait")(run.id, run.step)


def _wait(run_id: str, before: int) -> None:
    """Until the step is taken: then the page is drawn again."""
    st.caption("A worker takes the step …")
    try:
        if client.get(run_id).step != before or not client.folder(run_id).is_asked("step"):
            st.rerun()
    except client.RunNotFound:
        st.rerun()


# --- The numbers ---------------------------------------------------------------------------------------------------


def _show(step: SingleStep) -> None:
    before, after = float(step.losses_before.mean()), float(step.losses_after.mean())
    better = int((step.losses_after < step.losses_before).sum())
    st.markdown(
        f"**Step {step.step:,}** took the mean loss of its {len(step.indices):,} images from **{before:.4f}** to **{after:.4f}** "
        f"(without dropout): {better} became better, {len(step.indices) - better} did not. With dropout, as training "
        f"saw it, the loss was {float(step.losses_trained.mean()):.4f}."
    )
    arithmetic, batch = st.tabs(["One weight", "The batch"])
    with arithmetic:
        _one_weight(step)
    with batch:
        _batch(step)


def _batch(step: SingleStep) -> None:
    order = np.argsort(-step.losses_before, kind="stable")[:SHOWN]
    pixels = np.stack([_as_gray(step.images[i]) for i in order])
    guesses = step.logits_before.argmax(1), step.logits_after.argmax(1)
    image_grid(
        pixels,
        captions=[
            f"{CLASSES[step.labels[i]]}\n{step.losses_before[i]:.3f} → {step.losses_after[i]:.3f}" for i in order
        ],
        hovers=[
            f"Training picture {step.indices[i]:,}\nTrue: {CLASSES[step.labels[i]]}\n"
            f"Before: {CLASSES[guesses[0][i]]}, after: {CLASSES[guesses[1][i]]}\n"
            f"Logits before: {', '.join(decimal(value, 2) for value in step.logits_before[i])}\n"
            f"Logits after: {', '.join(decimal(value, 2) for value in step.logits_after[i])}"
            for i in order
        ],
        links=[address.link("image", {"split": "train", "index": step.indices[i]}) for i in order],
        colours=[RIGHT if guesses[1][i] == step.labels[i] else WRONG for i in order],
        columns=10,
        cell=56,
        alt="The batch, as the network was given it",
        key=f"single_batch_{step.step}",
    )
    st.caption(
        "Loss before and after the step, the worst first; the frame tells whether it is right after. Hover for the logits."
    )


def _as_gray(image: Floats) -> npt.NDArray[np.uint8]:
    low, high = float(image.min()), float(image.max())
    return np.round(255 * (image - low) / ((high - low) or 1)).astype(np.uint8)


def _one_weight(step: SingleStep) -> None:
    names = sorted(step.weights_before, key=lambda name: (name.endswith("bias"), name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Weights of", names, key="weight_of", width=170)
        shape = step.weights_before[name].shape
        place = _place(name, step.weights_before[name], step.gradients[name])
    where = f"{name}[{', '.join(map(str, place))}]"
    st.caption(
        f"{name} has {step.weights_before[name].size:,} numbers, {' × '.join(map(str, shape))}; this is {where}."
    )
    formula_v, formula_w = step.formulas(name)
    g, w, after = (float(step_of[name][place]) for step_of in (step.gradients, step.weights_before, step.weights_after))
    if step.optimizer == "sgd":
        _sgd(step, name, place, g, w, after)
    else:
        st.markdown(f"`{formula_v}`  \n`{formula_w}`")
        kept = {
            key.rpartition(".")[2]: (_number(step.state_before, key, place), _number(step.state_after, key, place))
            for key in step.state_after
            if key.rpartition(".")[0] == name
        }
        used = f"rate = {step.learning_rate:g}" + (f", decay = {step.weight_decay:g}" if step.weight_decay else "")
        lines = [
            used,
            f"g = {signed(g, 8)}",
            *(f"{key}: {signed(old, 8)} → {signed(new, 8)}" for key, (old, new) in kept.items()),
            f"w: {signed(w, 8)} → {signed(after, 8)}",
        ]
        st.code("\n".join(lines), language=None)


def _place(name: str, values: Floats, gradients: Floats) -> tuple[int, ...]:
    """Which weight, by numbers and for a filter by a click on one of its cells; first the one with the largest gradient."""
    shape, first = values.shape, [int(n) for n in np.unravel_index(np.abs(gradients).argmax(), values.shape)]
    words = {4: ("Filter", "Input map"), 2: ("Unit", "Input"), 1: ("Unit",)}.get(len(shape), ())
    place = [
        int(st.number_input(word, 0, size - 1, start, key=f"{name}_{word}_{start}", width=110))
        for word, size, start in zip(words, shape, first, strict=False)
    ]
    if len(shape) != 4:
        return tuple(place)
    kernel = pd.DataFrame(values[place[0], place[1]], columns=[f"column {n}" for n in range(shape[3])])
    event = st.dataframe(
        kernel.style.format(lambda weight: decimal(weight, 4)),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        key=f"{name}_{place}",
        width=260,
    )
    cells = event.selection.cells
    row, column = (
        (cells[0][0], int(str(cells[0][1]).rpartition(" ")[2]))
        if cells
        else (first[2], first[3])
        if place == first[:2]
        else (0, 0)
    )
    return (*place, row, column)


def _number(numbers: Mapping[str, Floats], key: str, place: tuple[int, ...]) -> float:
    """The remembered number of this weight; before the first step there is none, which counts as 0."""
    values = numbers.get(key)
    if values is None:
        return 0.0
    return float(values[place]) if values.ndim else float(values)


def _sgd(step: SingleStep, name: str, place: tuple[int, ...], g: float, w: float, after: float) -> None:
    """The tutorial's optimizer with this weight's numbers, and whether they come out as training had them."""
    key = f"{name}.momentum_buffer"
    v = _number(step.state_before, key, place)
    decay = f" + {step.weight_decay:g} · w" if step.weight_decay else ""
    pull = g + step.weight_decay * w
    new_v = step.momentum * v + pull
    new_w = w - step.learning_rate * new_v
    lines = [
        f"v ← {step.momentum:g} · v + g{decay}",
        f"  = {step.momentum:g} · ({signed(v, 8)}) + ({signed(g, 8)}){f' + {step.weight_decay:g} · ({signed(w, 8)})' if step.weight_decay else ''}",
        f"  = {signed(new_v, 8)}",
        "",
        f"w ← w − {step.learning_rate:g} · v",
        f"  = {signed(w, 8)} − {step.learning_rate:g} · ({signed(new_v, 8)})",
        f"  = {signed(new_w, 8)}",
    ]
    st.code("\n".join(lines), language=None)
    close = abs(new_w - after) <= 1e-6 * max(1.0, abs(after))
    st.caption(
        f"g is the gradient of the batch's mean loss with respect to this weight, v its velocity. Training's own weight after the "
        f"step: {signed(after, 8)}" + (", the same up to the rounding of float32." if close else ", which differs.")
    )

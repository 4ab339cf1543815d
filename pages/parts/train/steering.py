"""What a person can do with a run beside stopping it: another learning rate, a branch, a name, a note, an end for good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Whole, as_text
from pages.parts import address, frame, starting
from pages.parts.person import may_change, person
from pages.parts.runs.take_away import take_away


def steering(run: Run) -> None:
    """Buttons, each of which opens what it needs; that is drawn once it is open."""
    is_theirs = may_change(run)
    if is_theirs and not run.state.is_final:  # the key has the changes: each closes it
        _opens("Learning rate", ":material/speed:", f"rate_{run.id}_{len(run.changes)}", lambda: _rate(run))
    _opens("Branch", ":material/call_split:", f"branch_{run.id}", lambda: _branch(run))
    if is_theirs:
        _opens("Name and note", ":material/edit_note:", f"label_{run.id}", lambda: _labels(run))
    take_away(run)
    if is_theirs:
        _opens("Delete", ":material/delete:", f"delete_{run.id}", lambda: _delete(run))


def _opens(label: str, icon: str, key: str, draw: Callable[[], None]) -> None:
    popover = st.popover(label, icon=icon, key=key, on_change="rerun")
    if popover.open:
        with popover:
            draw()


# --- A new learning rate while it trains ---------------------------------------------------------------------------


def _rate(run: Run) -> None:
    now = run.config_now
    st.markdown("**Change it while it trains.** Applies from the next step, and is marked on the curve.")
    if now.schedule != "constant":
        st.caption("The schedule goes on: it scales the rate that you choose.")
    rate, momentum = _rates(run, now, f"new_{len(run.changes)}")
    if st.button(
        "Apply", type="primary", key="apply_rate", disabled=(rate, momentum) == (now.learning_rate, now.momentum)
    ):
        _do(lambda: client.change(run.id, learning_rate=rate, momentum=momentum), "Applies from the next step.")


def _rates(run: Run, now: TrainingConfig, key: str) -> tuple[float, float]:
    """Sliders for learning rate and, where the optimizer has it, momentum; their values."""
    rate, momentum = now.learning_rate, now.momentum
    for name in ("learning_rate", "momentum"):
        if name == "momentum" and now.optimizer == "adam":
            continue
        setting, value = SETTINGS[name], float(getattr(now, name))
        options = sorted({*setting.scale, value})
        chosen = st.select_slider(setting.label, options, value, format_func=as_text, key=f"{key}_{name}_{run.id}")
        rate, momentum = (chosen, momentum) if name == "learning_rate" else (rate, chosen)
    return rate, momentum


# --- Branches ------------------------------------------------------------------------------------------------------


def _branch(run: Run) -> None:
    steps = client.folder(run.id).branch_steps()
    st.markdown("**Go back to a step, and on from there in another way.**")
    if not steps:
        st.caption("There is no step to branch off from yet: the first is kept when training begins.")
        return
    if len(steps) > 1:
        early = [known for known in steps if known <= run.step / 2]  # so that there is something to compare
        step = st.select_slider(
            "From step",
            steps,
            early[-1] if early else steps[0],
            format_func=lambda value: _words(run, value),
            key=f"branch_step_{run.id}",
        )
    else:
        step = steps[0]
        st.caption(f"From step {_words(run, step)}, the only one that is kept so far.")
    then = run.config_at(step)
    rate, momentum = _rates(run, then, f"branch_{step}")
    length = _length(run, then)
    try:
        config = replace(then, learning_rate=rate, momentum=momentum, **length)
    except ValueError as error:  # two settings that do not fit together, such as Nesterov without momentum
        st.error(frame.plain(str(error)), icon=":material/block:")
        return
    same = config == then
    st.caption(
        "Nothing is changed: this branch is the proof that a run can be repeated. It must lie exactly over its parent."
        if same
        else "Weights, momentum, the order of the images and dropout are those of the run at that step; only what you "
        "changed makes the branch differ."
    )
    label = "Start a branch without change" if same else "Start this branch"
    name = f"{run.title[: client.NAME_LENGTH - 30]}, {'repeated' if same else f'rate {rate:g}'} from {step:,}"
    starting.button(
        label,
        "start_branch",
        lambda: client.branch(run.id, step, config, name, owner=person()),
        lambda branch: address.put(run=branch, batch_at=None),
        type="primary",
        icon=":material/call_split:",
    )


def _length(run: Run, then: TrainingConfig) -> dict[str, int]:
    """How long the branch trains, in the unit that ends its parent: epochs, or steps where these are limited."""
    if then.total_steps == then.epochs * then.steps_per_epoch:
        epochs = SETTINGS["epochs"].range
        assert isinstance(epochs, Whole)
        wanted = st.number_input("Epochs in all", epochs.low, epochs.high, then.epochs, key=f"branch_epochs_{run.id}")
        return {"epochs": int(wanted)}
    most = 200 * then.steps_per_epoch
    steps = int(st.number_input("Steps in all", 1, most, then.total_steps, key=f"branch_steps_{run.id}"))
    return {"step_limit": steps, "epochs": max(then.epochs, -(-steps // then.steps_per_epoch))}


def _words(run: Run, step: int) -> str:
    return f"{step:,} (epoch {step / run.config.steps_per_epoch:.2f})"


# --- Name, note, end -----------------------------------------------------------------------------------------------


def _labels(run: Run) -> None:
    with st.form(f"labels_{run.id}", border=False):
        name = st.text_input("Name", run.name, max_chars=client.NAME_LENGTH, placeholder=f"Run {run.sequence}")
        note = st.text_area(
            "Note", run.note, max_chars=client.NOTE_LENGTH, placeholder="What you wanted to find out, what came of it"
        )
        if st.form_submit_button("Save", type="primary"):
            _do(lambda: _save(run.id, name, note), "Saved.")


def _save(run_id: str, name: str, note: str) -> None:
    client.rename(run_id, name)
    client.annotate(run_id, note)


def _delete(run: Run) -> None:
    if run.is_active:
        st.markdown("It is still under way: stop it first.")
        return
    st.markdown(f"**Delete {frame.plain(run.title)}?** Its losses, its networks and its note are then gone for good.")
    sure = st.checkbox("Yes, delete this run", key=f"sure_{run.id}")
    clicked = st.button(
        "Delete for good", icon=":material/delete_forever:", type="primary", disabled=not sure, key="delete"
    )
    if clicked and sure and _do(lambda: client.delete(run.id), "Deleted.", stay=True):
        address.put(run=None, batch_at=None)
        st.rerun()


def _do(ask: Callable[[], None], words: str, *, stay: bool = False) -> bool:
    """Ask for it; what is wrong is said, else the page is drawn again (unless `stay`)."""
    try:
        ask()
    except (client.RunNotFound, client.RunRefused, ValueError) as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
        return False
    st.toast(words)
    if not stay:
        st.rerun()
    return True

"""The home page; imported by the server, the ASGI application whose routes the live charts poll."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st
from PIL import Image

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.runs.cards import cards
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.people import is_own
from fmnist_core.settings.jobs import Race
from fmnist_core.studies import sweep
from pages.parts import address, frame, streamlit_inside
from pages.parts.components.drawing_pad import route as drawing_pad
from pages.parts.components.live_chart import route as live_chart
from pages.parts.components.microscope import route as microscope
from pages.parts.components.picture_map import route as picture_map
from pages.parts.components.run_table import RUN, run_table
from pages.parts.components.run_table import route as run_table_route
from pages.parts.components.time_slider import route as time_slider
from pages.parts.person import me, remember
from pages.parts.runs.nodes import nodes
from pages.parts.server.doorway import is_guarded

SHOWN_RUNS = 5
ROWS = 2
BEST = "Best so far"
DEVICE_NAMES = {"cuda": "NVIDIA GPU (CUDA)", "mps": "Apple GPU (MPS)", "cpu": "CPU"}


def home() -> None:
    """What this is, what has been done so far, and the way to the first step."""
    frame.page(
        "Fashion-MNIST Lab",
        "Go from the first picture to a network that you trained and tested yourself, one step at a time. Everything "
        "is real and runs on this machine: 70,000 pictures of clothes, a network small enough to take apart, and every "
        "number that it computes.",
        code=(home, state_of_data, progress),
    )
    train = state_of_data()
    runs = client.list_runs()
    done = progress(runs, frame.visited())
    remember(visited=frame.visited())
    if train is not None:
        wall(train)
    first_step(done)
    if runs:
        latest_runs()
    steps(done)
    machine(runs, train is not None)
    if not runs:
        latest_runs()


def state_of_data() -> dataset.Split | None:
    """The training split, verified; else the sentence and the way out, on the page."""
    try:
        dataset.load("test")
        return dataset.load("train")
    except dataset.DatasetError as error:
        frame.data_fault(error)
        return None


def progress(runs: Sequence[Run], visited: set[str]) -> dict[str, tuple[bool, str]]:
    """For each step: whether it has been done, and in what words. Pages are those that this browser has opened.

    What others have trained is counted as theirs; a run that nobody has put a name to counts as one's own.
    """
    who = me()
    own = [run for run in runs if not run.owner or is_own(run, who)]
    finished = [run for run in own if run.state is State.FINISHED]
    active = [run for run in own if run.is_active]
    tested = [run for run in runs if run.latest is not None and run.latest.epoch > 0 and run.latest.test]
    words = {step.title: "Opened" if step.title in visited else "" for step in frame.STEPS}
    done = {step.title: step.title in visited for step in frame.STEPS}
    counts = [f"{len(finished)} finished" if finished else "", f"{len(active)} under way" if active else ""]
    others = f"{len(runs) - len(own)} by others" if len(runs) > len(own) else ""
    words["Train"] = ", ".join(filter(None, [*counts, others]))
    done["Train"] = bool(finished)
    if tested:
        words["Test"] = f"{BEST} {frame.percent(max(run.latest.test.accuracy for run in tested), 1)}"
    elif not done["Test"]:
        words["Test"] = "Needs a trained network"
    if len(tested) < 2:
        words["Compare"] = "Needs two runs" if not tested else "Needs one more run"
        done["Compare"] = False
    else:
        words["Compare"] = f"{len(tested)} runs to compare"
    words["Explore"] = _explored() or words["Explore"]
    return {title: (done[title], words[title]) for title in words}


def _explored() -> str:
    """Races and sweeps so far; "" before the first."""
    counts = ((len(client.list_jobs(Race)), "race"), (len(sweep.sweeps()), "sweep"))
    return ", ".join(f"{count} {name}{'s' * (count > 1)}" for count, name in counts if count)


def wall(train: dataset.Split) -> None:
    """The first pictures of each class, ink on the page's own paper; each leads to its own page."""
    picture, indices = _wall_sprite(train)
    size = 28
    tiles = "".join(
        f'<a href="{escape(address.link("image", {"split": "train", "index": index}))}" target="_self" title="{label}, training picture {index}" '
        f'aria-label="{label}, training picture {index}" '
        f'style="background-position:calc({-column * size}px * var(--zoom)) calc({-row * size}px * var(--zoom))"></a>'
        for row, line in enumerate(indices)
        for column, (index, label) in enumerate(zip(line, dataset.CLASSES, strict=True))
    )
    names = "".join(f"<span>{label}</span>" for label in dataset.CLASSES)
    st.html(
        f'<style>.wall a {{ background-image: url("{picture}"); }}</style>'
        f'<div class="wall-box"><div class="wall">{tiles}{names}</div></div>'
    )


def _wall_sprite(train: dataset.Split) -> tuple[str, list[list[int]]]:
    """(PNG as a data address, training indices (rows, classes)): ink in the accent colour, paper transparent."""
    indices = np.array([np.flatnonzero(train.labels == label)[:ROWS] for label in range(len(dataset.CLASSES))]).T
    ink = train.images[indices].transpose(0, 2, 1, 3).reshape(ROWS * 28, -1)  # (2 * 28, 10 * 28) uint8
    pixels = np.empty((*ink.shape, 4), np.uint8)
    pixels[..., :3] = (107, 116, 230)
    pixels[..., 3] = ink
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, "PNG")  # to find the smallest file took 50 ms, and saved 1 kB of 14
    return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}", indices.tolist()


def first_step(done: dict[str, tuple[bool, str]]) -> None:
    """One button: to the first step, or to the one after the last that has been done."""
    last = max((number for number, step in enumerate(frame.STEPS) if done[step.title][0]), default=-1)
    begun = 0 <= last < len(frame.STEPS) - 1
    step = frame.STEPS[last + 1] if begun else frame.STEPS[0]
    number = step.number
    label = f"Go on with step {number}: {step.title}" if begun else f"Start with step 1: {step.title}"
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(label, type="primary", icon=":material/arrow_forward:", key="first_step"):
            st.switch_page(step.script)
        if step.title != "Train":
            frame.page_link("train", "Train a network", icon=":material/play_arrow:")
        if step.title != "Test" and done["Test"][1].startswith(BEST):
            frame.page_link("test", "Test a network", icon=":material/fact_check:")


def steps(done: dict[str, tuple[bool, str]]) -> None:
    """The tutorial's steps in order, each with what has been done so far."""
    st.subheader("Step by step", anchor=False)
    with st.container(key="steps"), st.grid(3, min_column_width=260):
        for step in frame.STEPS:
            is_done, words = done[step.title]
            with st.container(border=True, height="stretch", gap="xsmall"):
                with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
                    frame.step_link(step, f"**{step.number} · {step.title}**")
                    if is_done or words:
                        colour, icon = ("green", ":material/check:") if is_done else ("gray", None)
                        st.badge(words, icon=icon, color=colour)
                st.markdown(step.words)


def machine(runs: Sequence[Run], data_is_right: bool) -> None:
    """The state of data, device and runs."""
    st.subheader("On this machine", anchor=False)
    devices = client.devices()
    with st.grid(3, min_column_width=260):
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown("**Data**")
            if data_is_right:
                st.markdown("60,000 + 10,000 pictures")
                st.caption("To train and to test. Compared byte for byte with the published files (SHA-256).")
            else:
                st.markdown("Not complete")
                st.caption("The sentence above says what is missing and where it goes.")
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown("**Device**")
            there = cards() if devices[0] == "cuda" else ()
            for card in there or (None,):
                st.markdown(frame.plain(card.name) if card else DEVICE_NAMES.get(devices[0], devices[0]))
            memory = "".join(f" {card.words}." for card in there)
            rest = "".join(f" Also there: {DEVICE_NAMES.get(name, name)}." for name in devices[1:])
            st.caption(f"Where networks are trained, unless you choose another.{memory}{rest}")
        with st.container(border=True, height="stretch", gap="xsmall"):
            st.markdown("**Runs**")
            active = sum(run.is_active for run in runs)
            finished = sum(run.state is State.FINISHED for run in runs)
            counts = ((active, f"{active} under way"), (finished, f"{finished} finished"))
            if runs:
                st.markdown(", ".join(words for n, words in counts if n) or f"{len(runs)} ended early")
                st.caption("They go on when you close the browser.")
            else:
                st.markdown("None yet")
                st.caption("Step 4 starts the first. It goes on when you close the browser.")
    nodes(runs)


def latest_runs() -> None:
    """What was started last, by anybody, as it goes on."""
    st.subheader("Latest runs", anchor=False)
    run_table(
        links={"active": address.link("train", {"run": RUN}), "ended": address.link("test", {"run": RUN})},
        me=me(),
        key="latest_runs",
        columns=("run", "state", "accuracy", "epochs", "owner", "started"),
        most=SHOWN_RUNS,
    )


if __name__ == "__main__":
    home()
else:
    from starlette.middleware import Middleware

    from pages.parts.server.door import Door  # only the server needs these
    from pages.parts.server.hosts import Hosts
    from pages.parts.server.seats import Seats
    from pages.parts.server.warm import Heard, warm

    routes = [
        *drawing_pad.routes,
        *live_chart.routes,
        *run_table_route.routes,
        *time_slider.routes,
        *microscope.routes,
        *picture_map.routes,
    ]
    guard = [Middleware(Heard), Middleware(Hosts), *([Middleware(Door)] if is_guarded() else []), Middleware(Seats)]
    app = st.App(__file__, middleware=guard, routes=streamlit_inside.at_base(routes), lifespan=warm)

"""One picture on its way through the network: fresh, or as a run has trained it."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.inside import fresh
from fmnist_core.inside.fresh import Layer
from fmnist_core.inside.network import Network, softmax
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened, opened_steps
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.views import architecture
from pages.parts import address, controls, frame
from pages.parts.network.widths import WIDTHS
from pages.parts.runs.drawing import drawing
from pages.parts.runs.run_picker import newest


def trained(config: TrainingConfig) -> list[Run]:
    """The finished runs whose network has these widths, the newest first."""
    return [run for run in client.list_runs() if run.state is State.FINISHED and _is_drawn(run, config)]


def _is_drawn(run: Run, config: TrainingConfig) -> bool:
    """Whether its network is the one that this page draws."""
    widths = all(getattr(run.config, name) == getattr(config, name) for name in WIDTHS)
    return widths and run.config.architecture == "net" and run.job is None and not run.is_sealed


def named(config: TrainingConfig) -> Run | None:
    """The run in the address, finished or not; None where it cannot be drawn here, which a sentence says."""
    if not (run_id := address.text("run")):
        return None
    try:
        run = client.get(run_id)
    except client.RunNotFound as error:
        st.warning(str(error), icon=":material/search_off:")
        return None
    if _is_drawn(run, config):
        return run
    why = "has a network of another kind, or of other widths"
    if run.job is not None:
        why = "is a race or a learning-rate test, and keeps no network"
    elif run.is_sealed:
        why = "belongs to a sweep in which nothing has been chosen yet"
    st.info(f"**{frame.plain(run.title)}** {why}: it is not drawn here.", icon=":material/layers_clear:")
    if run.job is None and run.latest:
        frame.page_link("inside", "Open it in Inside", icon=":material/biotech:", run=run.id)
    return None


def network(config: TrainingConfig, run: Run | None) -> tuple[Network, Run | None]:
    """The network whose numbers are drawn, and the run that trained it: by choice, or None for fresh weights.

    `run`: the one that is asked for; None: the newest that has finished.
    """
    if run is None and (runs := trained(config)):
        run = newest(runs)
    if run is None:
        return fresh.fresh(config), None
    weights = controls.one_of(
        "Weights", "weights", ("trained", "fresh"), words={"trained": "Trained", "fresh": "Fresh"}
    )
    if weights == "fresh":
        return fresh.fresh(config), None
    try:
        folder = client.folder(run.id)
        return opened(folder, opened_steps(folder)[-1]), run
    except (IndexError, OSError, ValueError, client.RunNotFound):  # deleted just now, or its weights were not kept
        return fresh.fresh(config), None


def picture(config: TrainingConfig, layers: list[Layer]) -> None:
    """One real picture on its way through the network, drawn to scale."""
    st.subheader("One picture on its way through", anchor=False)
    asked = named(config)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        split = frame.data_or_stop(controls.split_name(then=lambda: address.put(index=None)))
        images = split.images
        words = address.SPLIT_WORDS[split.name]
        index = controls.whole_number(f"{words.capitalize()} picture", "index", high=len(images) - 1, width=170)
        drawn, run = network(config, asked)
    shown = {name: values[0] for name, values in drawn.values(images[index : index + 1]).items()}
    parameters = {layer.name: f"{layer.parameters:,} parameters" for layer in layers}
    first, second = (int(shown[name].sum((1, 2)).argmax()) for name in ("relu1", "relu2"))
    pooled1, pooled2 = shown["pool1"], shown["pool2"]
    stage = architecture.Stage
    stages = [
        stage("image", images[index][None].astype(np.float32), "", window=3, at=12, all_maps=True),
        stage("conv1 + ReLU", shown["relu1"], parameters["conv1"], window=2, at=12, focus=first),
        stage("pool", pooled1, "", window=3, at=6, focus=first, all_maps=True),
        stage("conv2 + ReLU", shown["relu2"], parameters["conv2"], window=2, at=6, focus=second),
        stage("pool", pooled2, "", at=3, focus=second),
        stage("flatten", pooled2.reshape(-1)),
        stage("fc1 + ReLU", shown["relu3"], parameters["fc1"]),
    ]
    scores = architecture.Scores("fc2 + softmax", dataset.CLASSES, softmax(shown["fc2"]), parameters["fc2"])
    drawing(wide=architecture.wide(stages, scores), narrow=architecture.narrow(stages, scores), key="architecture")
    label = dataset.CLASSES[int(split.labels[index])]
    whose = f"with the weights of {frame.plain(run.title)}" if run else "with fresh weights (seed 0)"
    learned = "" if run else "It has learned nothing yet, so the ten scores are all near 10 %. "
    st.caption(
        f"{words.capitalize()} picture {index:,} ({label}) in a network {whose}. {learned}Everything up to fc1 is drawn to scale: "
        "each number is one square of the same size, the stronger its colour, the larger it is. The outlined window moves over its "
        "whole map; a convolution looks through it at all maps at once."
    )
    if run:
        frame.page_link(
            "inside",
            "Open it in Inside: every value, down to its numbers",
            icon=":material/biotech:",
            run=run.id,
            split=split.name,
            index=index,
        )

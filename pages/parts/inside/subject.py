"""What the page Inside is about: a network at one moment, with the edits of the address, and one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.data.brought.pixels import from_text
from fmnist_core.inside.edits import EditError, Edits, Patient
from fmnist_core.inside.network import Network
from fmnist_core.inside.stages import Stage, stages
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened, opened_steps
from fmnist_core.runs.files.record import Run
from fmnist_core.runs.sealed import Pictures, scored_on
from pages.parts import address, controls, frame

SPLITS: tuple[dataset.SplitName, ...] = ("test", "train")
LARGE = 2_000_000
"""Weights from which on one picture is a matter of seconds."""


@dataclass(frozen=True)
class Subject:
    """Everything that the views draw from."""

    run: Run
    step: int
    """The moment whose weights these are: that of the slider, or the last one before it that was kept."""
    steps: list[int]
    """All moments whose weights are kept, ascending."""
    trained: Network
    """As training left it."""
    edits: Edits
    patient: Patient
    """`trained` after the edits."""
    split: dataset.Split
    index: int
    pictures: Pictures
    """What the network may be scored on."""
    drawing: npt.NDArray[np.uint8] | None = None
    """(28, 28): a picture that somebody drew or brought, instead of the one at `index`."""

    @property
    def image(self) -> npt.NDArray[np.uint8]:
        """(28, 28): as the patient sees it."""
        picture = self.split.images[self.index] if self.drawing is None else self.drawing
        return self.patient.pictures(picture[None])[0]

    @property
    def label(self) -> int | None:
        """The true class; None where nobody has said it."""
        return int(self.split.labels[self.index]) if self.drawing is None else None

    @property
    def title(self) -> str:
        """What the picture is called."""
        return "Your picture" if self.label is None else dataset.CLASSES[self.label]

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The network as it is shown."""
        return stages(self.trained.nodes)

    @property
    def is_large(self) -> bool:
        """Whether one picture takes the browser seconds, and a map of it the server."""
        return sum(tensor.size for tensor in self.trained.weights.values()) > LARGE


def subject(run: Run, wanted: int, split: dataset.Split, index: int) -> Subject | None:
    """At the moment `wanted`; a sentence and None where no weights of the run are kept or they cannot be read."""
    try:
        folder = client.folder(run.id)
    except client.RunNotFound as error:  # deleted just now
        st.warning(frame.plain(str(error)), icon=":material/search_off:")
        return None
    steps = opened_steps(folder)
    if not steps:
        st.warning(
            "No weights of this run were kept, so there is nothing to look into. Runs keep them unless the server was told "
            "not to (`FMNIST_SNAPSHOTS=0`).",
            icon=":material/folder_off:",
        )
        return None
    step = max((known for known in steps if known <= wanted), default=steps[0])
    try:
        network = opened(folder, step)
    except (OSError, ValueError) as error:
        st.warning(
            f"The weights after step {step:,} cannot be used: {frame.plain(str(error))}. Choose another moment, or another run.",
            icon=":material/folder_off:",
        )
        return None
    if step != wanted:
        st.caption(f"Of the moments near this one, the weights after step {step:,} were kept: those are shown.")
    edits = edits_in_address(network)
    drawing = None if run.is_sealed else drawing_in_address()  # it could be a test picture that somebody brings
    return Subject(run, step, steps, network, edits, edits.patient(network), split, index, scored_on(folder), drawing)


def edits_in_address(network: Network) -> Edits:
    """`?edits=`; what does not fit this network is left out, with a sentence."""
    try:
        return Edits.parse(address.text("edits"), network)
    except EditError as error:
        address.put(edits=None)
        st.warning(f"{frame.plain(str(error))} The network is shown as it was trained.", icon=":material/link_off:")
        return Edits()


def drawing_in_address() -> npt.NDArray[np.uint8] | None:
    """`?pixels=`, (28, 28), as the page Yours writes it; None where there is none or it cannot be read."""
    try:
        return from_text(address.text("pixels")) if address.has("pixels") else None
    except ValueError:
        address.put(pixels=None)
        st.warning("The address holds no picture that can be read.", icon=":material/link_off:")
        return None


def picture_choice(run: Run) -> tuple[dataset.Split, int]:
    """Split and index in the address, and the ways to other pictures; of a run whose sweep is open, training pictures only."""
    words, first = {"test": "Test", "train": "Training"}, 0
    if run.is_sealed:
        name: dataset.SplitName = "train"
        first = run.config.validation * run.config.fold
    else:
        name = controls.one_of("Picture", "split", SPLITS, words=words, then=lambda: address.put(index=None))
    split = frame.data_or_stop(name)
    index = controls.whole_number("Index", "index", high=len(split) - 1, default=first, width=130)
    for icon, key, shortcut, to in (
        (":material/chevron_left:", "previous", "left", (index - 1) % len(split)),
        (":material/chevron_right:", "next", "right", (index + 1) % len(split)),
    ):
        move = {"shortcut": shortcut, "on_click": address.put, "kwargs": {"index": to}}
        st.button("", icon=icon, key=key, help=f"The {key} picture", **move)
    if address.has("pixels") and not run.is_sealed:
        st.button(
            "Put yours away",
            key="no_drawing",
            icon=":material/close:",
            help="Below is the picture that you drew or brought. This shows the one of the data set again.",
            on_click=address.put,
            kwargs={"pixels": None},
        )
    return split, index


def waiting() -> None:
    """What this page shows of a run whose sweep is open."""
    st.info(
        "This run belongs to a sweep in which nothing has been chosen yet, so the test pictures wait. Everything here is shown "
        "and scored on training pictures that this network never saw: the held-out ones.",
        icon=":material/visibility_off:",
    )


def ways_back(run: Run, name: str, index: int) -> None:
    """To the picture's own page, and to what the run gets wrong."""
    about = {"run": run.id} | address.kept("step")
    if address.has("pixels"):
        frame.page_link("yours", "To Yours", icon=":material/draw:", **about, **address.kept("pixels"))
        return
    frame.page_link("image", "This picture", icon=":material/image:", split=name, index=index, **about)
    frame.page_link("test", "All mistakes", icon=":material/fact_check:", view="mistakes", **about)

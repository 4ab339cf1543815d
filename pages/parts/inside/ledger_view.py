"""The ledger: which pixels made an output, exactly; and how far other maps of the same kind can be trusted here."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.inside.attribution import MAPS, Map, Pixels, attribute, target
from fmnist_core.inside.network import Network
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import inspection
from pages.parts import address, controls, frame
from pages.parts.components.ledger import Comparison, ledger
from pages.parts.inside.subject import Subject
from pages.parts.text import decimal

KEY = "ledger"
LARGE_MAPS: tuple[Map, ...] = ("ledger", "occlusion", "gradient", "Grad-CAM")
"""Of a network that takes 50 ms for a picture: integrated gradients take 16 pictures there and back."""
WORDS: dict[Map, str] = {
    "ledger": "Ledger",
    "integrated gradients": "Integrated gradients",
    "occlusion": "Occlusion, 5 × 5",
    "gradient": "Plain gradient",
    "Grad-CAM": "Grad-CAM",
}


def draw(subject: Subject) -> None:
    """The view."""
    predicted = int(subject.patient.network.values(subject.image[None])[subject.stages[-1].output.name][0].argmax())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = _class("Why", "for", predicted)
        against = controls.class_choice("rather than", "rather_than", none="no other", width=190)
        black = controls.switch("Relative to black", "black", help=_BLACK)
    against = None if against == label else against
    erased = address.text("erased")
    ledger(
        subject.run.id,
        subject.patient.network,
        subject.image,
        step=subject.step,
        steps=subject.steps,
        edits=subject.edits.text,
        label=label,
        against=against,
        black=black,
        erased=erased if re.fullmatch(r"[A-Za-z0-9_-]{131}", erased) else "",
        maps=_maps(subject, target(label, against)),
        on_erase=lambda: address.put(erased=st.session_state[KEY].erased or None),
        key=KEY,
    )
    _explain(subject)


_BLACK = (
    "Standardised pictures have −0.81 where they are black, so background pixels carry much of the sum. Relative to black "
    "they carry nothing, and what they carried is in the constant."
)


def _class(label: str, name: str, default: int) -> int:
    number = address.whole(name, default=default)
    st.selectbox(
        label, range(10), format_func=CLASSES.__getitem__, width=190, **address.bound(name, number, default=default)
    )
    return number


def _maps(subject: Subject, wanted: npt.NDArray[np.float32]) -> list[Comparison]:
    """Each kind for this picture, with its trust, and the same map of the network before training."""
    measured, fresh = _trust(subject), None if subject.is_large else _untrained(subject)
    untrained_trust = _read_trust(subject, 0) if fresh is not None else {}
    found = []
    for kind in LARGE_MAPS if subject.is_large else MAPS:
        if kind == "Grad-CAM" and all(node.op != "convolution" for node in subject.trained.nodes):
            continue
        words = [measured[kind]] if kind in measured else ["trust: not measured"]
        if kind in untrained_trust:
            words.append(f"before training: {untrained_trust[kind]}")
        found.append(
            Comparison(
                WORDS[kind],
                words,
                _map(subject, kind, wanted),
                None if fresh is None else attribute(kind, fresh, subject.image, wanted),
            )
        )
    return found


def _map(subject: Subject, kind: Map, wanted: npt.NDArray[np.float32]) -> Pixels:
    """One of them; of a large network, for which each takes seconds, those of the last picture stay in memory."""
    if not subject.is_large:
        return attribute(kind, subject.patient.network, subject.image, wanted)
    key = subject.run.id, subject.step, subject.edits.text, subject.image.tobytes(), wanted.tobytes()
    if key not in _LAST:
        _LAST.clear()
        _LAST[key] = {}
    if kind not in _LAST[key]:
        with st.spinner(f"Computing: {WORDS[kind]}", show_time=True):
            _LAST[key][kind] = attribute(kind, subject.patient.network, subject.image, wanted)
    return _LAST[key][kind]


_LAST: dict[tuple[str, int, str, bytes, bytes], dict[Map, Pixels]] = {}


def _untrained(subject: Subject) -> Network | None:
    if subject.steps[0] != 0 or subject.step == 0:
        return None
    try:
        return opened(client.folder(subject.run.id), 0)
    except (OSError, ValueError, client.RunNotFound):
        return None


def _trust(subject: Subject) -> dict[str, str]:
    """What was measured of this moment; begins to measure it, and the network before training, where nobody has yet."""
    folder = client.folder(subject.run.id)
    wanted = [subject.step] if subject.steps[0] != 0 else [subject.step, 0]
    if any(inspection.begin(folder, step, "trust") == "computing" for step in wanted):
        st.fragment(_wait, run_every=2.0, key="trust")(subject.run.id, wanted)
    return _read_trust(subject, subject.step)


def _read_trust(subject: Subject, step: int) -> dict[str, str]:
    kept = inspection.read(client.folder(subject.run.id), step, "trust")
    if kept is None:
        return {}
    rows = zip(kept["kinds"], kept["agreement"], kept["error"], kept["left"], strict=True)
    return {
        str(kind): f"agreement {decimal(agreement, 2)} ± {error:.2f}, left {frame.percent(left, 0)}"
        for kind, agreement, error, left in rows
    }


def _wait(run_id: str, steps: list[int]) -> None:
    st.caption(":material/timelapse: How far each map can be trusted is being measured in the background.")
    try:
        folder = client.folder(run_id)
    except client.RunNotFound:
        st.rerun()
    if all(inspection.begin(folder, step, "trust") != "computing" for step in steps):
        st.rerun()


def _explain(subject: Subject) -> None:
    edited = " of the network as trained" if subject.edits.edits else ""
    kept = inspection.read(client.folder(subject.run.id), subject.step, "trust")
    pictures = "some" if kept is None else int(kept["pictures"])
    st.caption(
        "In evaluation mode this network is piecewise linear: as long as no ReLU and no pooling switches, an output is a constant "
        "plus each pixel times its slope. That is the ledger, and it is exact. Agreement: Spearman’s rank correlation with what "
        "blacking each lit pixel alone really does to the prediction’s logit (1 perfect, 0 chance), over "
        f"{pictures} {subject.pictures.words}{edited}, with its standard error. Left: the mean probability of the prediction "
        "while its strongest 5 to 50 % of lit pixels are black; less is better. A map that looks the same before training does "
        "not show what training has learned (Adebayo et al., 2018)."
    )

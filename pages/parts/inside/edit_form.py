"""One more edit: what is to be done, where, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.inside.edits import BITS, COVERS, PRESETS, EditError, Edits, editable, mutable, parse, unit_word
from fmnist_core.inside.graph import Node
from pages.parts import address, controls, frame
from pages.parts.inside.subject import Subject

KINDS = {
    "mute": "Mute",
    "copy": "Copy",
    "kernel": "Kernel",
    "weight": "One weight",
    "bias": "Bias",
    "dropout": "Dropout",
    "cover": "Cover",
    "quantise": "Fewer bits",
    "prune": "Prune",
}
PRESET_WORDS = {
    "sobel": "Sobel",
    "sobel-across": "Sobel, across",
    "blur": "Blur",
    "identity": "Identity",
    "zero": "Zero",
    "noise": "Noise",
}
COVER_WORDS = {
    "border": "A border",
    "left": "The left",
    "right": "The right",
    "top": "The top",
    "bottom": "The bottom",
    "square": "A square in the middle",
}


def edit_form(subject: Subject) -> None:
    """The controls. What is chosen here is no edit yet; the button makes it one."""
    with st.container(border=True):
        kind = controls.select("Change", "edit", tuple(_kinds(subject)), words=KINDS)
        _FORMS[kind](subject)
        if refused := st.session_state.pop("edit_refused", ""):
            st.warning(frame.plain(refused))


def _kinds(subject: Subject) -> list[str]:
    """Those that make sense for this network."""
    layers = editable(subject.trained.nodes)
    left_out = set()
    if not mutable(subject.trained.nodes):
        left_out |= {"mute", "copy"}
    if not any(node.op == "convolution" for node in layers):
        left_out.add("kernel")
    if not any(node.has_bias for node in layers):
        left_out.add("bias")
    if subject.run.config.architecture not in ("net", "perceptron"):
        left_out.add("dropout")
    return [kind for kind in KINDS if kind not in left_out]


def _add(subject: Subject, text: str) -> None:
    """One more edit at the end of the list; what does not fit is said on the page."""
    try:
        whole = Edits((*subject.edits.edits, parse(text, subject.trained)))
        address.put(edits=Edits.parse(whole.text, subject.trained).text, page=None)
    except EditError as error:
        st.session_state["edit_refused"] = str(error)


def _button(subject: Subject, label: str, text: str, key: str = "do_edit") -> None:
    kind = "primary" if key == "do_edit" else "secondary"
    st.button(label, type=kind, key=key, on_click=_add, args=(subject, text))


def _layer(nodes: list[Node]) -> Node:
    """The layer in the address, if it is one of `nodes`."""
    names = [node.module for node in nodes]
    wanted = address.text("layer")
    default = wanted if wanted in names else names[0]
    name = st.selectbox("Layer", names, names.index(default), key=f"edit_layer_{'_'.join(names)}_{default}")
    return next(node for node in nodes if node.module == name)


def _unit(node: Node, label: str, key: str) -> int:
    """One of its outputs; first the one in the address."""
    wanted = address.optional("unit") or 0
    first = wanted if address.text("layer") == node.module and wanted < node.shape[0] else 0
    return int(st.number_input(label, 0, node.shape[0] - 1, first, key=f"edit_{key}_{node.module}_{first}"))


def _mute(subject: Subject) -> None:
    node = _layer(mutable(subject.trained.nodes))
    unit = _unit(node, unit_word(node).capitalize(), "unit")
    _button(subject, "Mute it", f"mute:{node.module}:{unit}")


def _copy(subject: Subject) -> None:
    node = _layer(mutable(subject.trained.nodes))
    source = _unit(node, f"{unit_word(node).capitalize()} to copy", "source")
    to = int(st.number_input("In place of", 0, node.shape[0] - 1, 0, key=f"edit_to_{node.module}"))
    _button(subject, "Copy it", f"copy:{node.module}:{source}:{to}")


def _kernel(subject: Subject) -> None:
    node = _layer([node for node in editable(subject.trained.nodes) if node.op == "convolution"])
    kernels = subject.patient.network.weights[f"{node.module}.weight"]
    with st.container(horizontal=True):
        unit = _unit(node, "Filter", "filter")
        channel = 0
        if kernels.shape[1] > 1:
            channel = int(st.number_input("For map", 0, kernels.shape[1] - 1, 0, key=f"edit_map_{node.module}"))
    where = f"{node.module}:{unit}:{channel}"
    side = kernels.shape[2]
    now = kernels[unit, channel]
    with st.form(f"kernel_{where}_{hash(now.tobytes())}"):
        numbers = []
        for row in range(side):
            for column, cell in enumerate(st.columns(side)):
                value = round(float(now[row, column]), 4)
                numbers.append(
                    cell.number_input(
                        f"Row {row}, column {column}",
                        -100.0,
                        100.0,
                        value,
                        0.1,
                        "%.4f",
                        key=f"k_{where}_{row}_{column}_{value}",
                        label_visibility="collapsed",
                    )
                )
        if st.form_submit_button("Use these numbers", type="primary"):
            _add(subject, f"kernel:{where}:{','.join(f'{number:.4g}' for number in numbers)}")
            st.rerun()
    if side == 3:
        st.caption("Or a known one, as strong as the kernel that it replaces:")
        with st.container(horizontal=True):
            for preset in PRESETS:
                _button(subject, PRESET_WORDS[preset], f"kernel:{where}:{preset}", f"preset_{preset}")


def _weight(subject: Subject) -> None:
    node = _layer([node for node in reversed(editable(subject.trained.nodes)) if node.op == "linear"])
    matrix = subject.patient.network.weights[f"{node.module}.weight"]
    to = _class(node) if node is editable(subject.trained.nodes)[-1] else _unit(node, "To unit", "to_unit")
    source = int(st.number_input("From input", 0, matrix.shape[1] - 1, 0, key=f"edit_input_{node.module}"))
    now = round(float(matrix[to, source]), 4)
    value = st.number_input(
        "Weight", -100.0, 100.0, now, 0.1, "%.4f", key=f"edit_weight_{node.module}_{to}_{source}_{now}"
    )
    _button(subject, "Set it", f"weight:{node.module}:{to}:{source}:{value:.4g}")


def _class(node: Node) -> int:
    """One of the outputs by its name; first the one in the address."""
    wanted = address.optional("unit") or 0
    first = wanted if address.text("layer") in ("", node.module) and wanted < node.shape[0] else 0
    return CLASSES.index(st.selectbox("To the class", CLASSES, first, key=f"edit_class_{first}"))


def _bias(subject: Subject) -> None:
    node = _layer([node for node in editable(subject.trained.nodes) if node.has_bias])
    unit = _unit(node, unit_word(node).capitalize(), "bias_unit")
    now = round(float(subject.patient.network.weights[f"{node.module}.bias"][unit]), 4)
    value = st.number_input("Bias", -100.0, 100.0, now, 0.1, "%.4f", key=f"edit_bias_{node.module}_{unit}_{now}")
    _button(subject, "Set it", f"bias:{node.module}:{unit}:{value:.4g}")


def _dropout(subject: Subject) -> None:
    percent = st.slider("Hidden units left out, in percent", 5, 95, 40, 5, key="edit_dropout")
    st.caption("Training leaves hidden units out by chance; testing does not. Here testing does, too.")
    _button(subject, "Leave them out", f"dropout:{percent}")


def _cover(subject: Subject) -> None:
    what = st.selectbox("Black in every test picture", COVERS, format_func=COVER_WORDS.get, key="edit_cover")
    side = st.slider("Pixels", 1, 27, 14 if what in ("left", "right", "top", "bottom") else 4, key=f"edit_side_{what}")
    _button(subject, "Cover it", f"cover:{what}:{side}")


def _quantise(subject: Subject) -> None:
    bits = st.segmented_control("Bits of a weight", BITS, default=BITS[1], required=True, key="edit_bits")
    st.caption("Trained weights have 32 bits. Biases and normalisation keep them.")
    _button(subject, "Round all weights", f"quantise:{bits}")


def _prune(subject: Subject) -> None:
    percent = st.slider("Smallest weights, in percent", 5, 95, 50, 5, key="edit_prune")
    _button(subject, "Set them to 0", f"prune:{percent}")


_FORMS: dict[str, Callable[[Subject], None]] = {
    "mute": _mute,
    "copy": _copy,
    "kernel": _kernel,
    "weight": _weight,
    "bias": _bias,
    "dropout": _dropout,
    "cover": _cover,
    "quantise": _quantise,
    "prune": _prune,
}

"""The tutorial's network, taken apart: what goes in, what comes out, what is learned, what each line does."""

from __future__ import annotations

import ast
import textwrap
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.inside import fresh
from fmnist_core.inside.fresh import Layer
from fmnist_core.inside.network import softmax
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.ranges import as_text
from fmnist_core.views import architecture
from pages.parts import address, controls, frame, show_the_code
from pages.parts.runs.drawing import drawing

TUTORIAL = TrainingConfig()
WIDTHS = ("conv1_channels", "conv2_channels", "hidden_units")
LEARNED = {"conv1": "convolution", "conv2": "convolution", "fc1": "linear", "fc2": "linear"}


def chosen_settings() -> TrainingConfig:
    """The four controls, in the address; they start at the tutorial's network."""
    labels = {
        "conv1_channels": (
            "First convolution: filters",
            "Each filter looks for one small pattern, such as an edge.",
        ),
        "conv2_channels": (
            "Second convolution: filters",
            "Each looks for a combination of the first patterns.",
        ),
        "hidden_units": (
            "Hidden units",
            "They weigh all patterns before the ten scores. Most parameters are here.",
        ),
    }
    with st.container(border=True):
        grid = st.grid(4, min_column_width=200)
        values: dict[str, Any] = {}
        for name, (label, why) in labels.items():
            with grid:
                values[name] = controls.slider(label, name, help=why)
        with grid:
            dropout = controls.setting("dropout")
        config = TrainingConfig(**values, dropout=dropout)
        changed = {
            name: as_text(getattr(config, name))
            for name in (*WIDTHS, "dropout")
            if getattr(config, name) != getattr(TUTORIAL, name)
        }
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Train this network", icon=":material/arrow_forward:", type="primary", key="train_this"):
                st.switch_page("pages/4_train.py", query_params=changed)
            if changed:
                st.button("Back to the tutorial’s", icon=":material/undo:", key="back", on_click=_reset)
    return config


def _reset() -> None:
    address.put(**dict.fromkeys((*WIDTHS, "dropout")))


def totals(config: TrainingConfig, layers: list[Layer], tutorial: list[Layer]) -> None:
    """What the controls change, each number against the tutorial's network."""
    parameters, multiplications = _sums(layers)
    usual_parameters, usual_multiplications = _sums(tutorial)
    most = max(layers, key=lambda layer: layer.parameters)
    left_out = config.dropout * config.hidden_units
    with st.grid(4, min_column_width=160):
        for label, value, usual in (
            ("Parameters", parameters, usual_parameters),
            ("Multiplications per picture", multiplications, usual_multiplications),
        ):
            against = "as in the tutorial" if value == usual else f"{value / usual:.3g} × the tutorial’s"
            st.metric(label, f"{value:,}", against, delta_color="off", delta_arrow="off")
        st.metric(
            "Most parameters are in",
            most.name,
            f"{most.parameters / parameters:.0%} of all",
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            "Left out in a training step",
            f"{left_out:.3g} of {config.hidden_units:,}",
            "hidden units, on average",
            delta_color="off",
            delta_arrow="off",
        )


def _sums(layers: list[Layer]) -> tuple[int, int]:
    return sum(layer.parameters for layer in layers), sum(layer.multiplications for layer in layers)


def picture(config: TrainingConfig, layers: list[Layer]) -> None:
    """One real picture on its way through the network, drawn to scale."""
    try:
        images = dataset.load("train").images
    except dataset.DatasetError as error:
        frame.data_fault(error)
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("One picture on its way through", anchor=False)
        with st.container(width="content"):
            index = controls.whole_number("Training picture", "index", high=len(images) - 1, width=170)
    shown = {name: values[0] for name, values in fresh.fresh(config).values(images[index : index + 1]).items()}
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
    label = dataset.CLASSES[int(dataset.load("train").labels[index])]
    st.caption(
        f"Training picture {index:,} ({label}) in a network with fresh weights (seed 0). It has learned nothing yet, so "
        "the ten scores are all near 10 %. Everything up to fc1 is drawn to scale: each number is one square of the same "
        "size, the stronger its colour, the larger it is. The outlined window moves over its whole map; a convolution looks through it at all "
        "maps at once."
    )


def table(layers: list[Layer]) -> None:
    """The same in numbers."""
    st.subheader("Layer by layer", anchor=False)
    rows = ""
    for layer in layers:
        kind = "" if layer.kind == layer.name else f"{layer.kind} {layer.kernel.replace('x', ' × ')}"
        numbers = "".join(f"<td>{n:,}</td>" if n else "<td></td>" for n in (layer.parameters, layer.multiplications))
        rows += (
            f"<tr{' class=strong' if layer.parameters else ''}>"
            f"<th scope=row>{escape(layer.name)}<small>{kind}</small></th>"
            f"<td>{' × '.join(f'{n:,}' for n in layer.output_shape)}</td>{numbers}</tr>"
        )
    parameters, multiplications = _sums(layers)
    rows += f"<tr class=strong><th scope=row>All</th><td></td><td>{parameters:,}</td><td>{multiplications:,}</td></tr>"
    heads = "".join(f"<th scope=col>{head}</th>" for head in ("Layer", "Output", "Parameters", "Multiplications"))
    st.html(f"<table class=figures><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")


def worked_out(layers: list[Layer]) -> None:
    """Where the two numbers of a row come from."""
    with st.container(border=True):
        name = controls.one_of("Where do the numbers come from?", "layer", tuple(LEARNED))
        layer = next(layer for layer in layers if layer.name == name)
        after = layer.output_shape[0]
        if len(layer.output_shape) == 3:
            maps, size = layer.input_shape[0], layer.output_shape[1]
            st.markdown(
                f"Each of the {after:,} filters looks through a 3 × 3 window at {maps:,} "
                f"{'map' if maps == 1 else 'maps'} at once: {maps * 9:,} weights, and one bias that is added.\n\n"
                f"**{after} · ({maps} · 3 · 3 + 1) = {layer.parameters:,} parameters**\n\n"
                f"It is put on {size} × {size} places and multiplies {maps * 9:,} numbers at each.\n\n"
                f"**{after} · {size} · {size} · {maps} · 3 · 3 = {layer.multiplications:,} multiplications**"
            )
        else:
            before = layer.input_shape[0]
            st.markdown(
                f"Each of the {after:,} units has one weight for each of the {before:,} numbers before it, "
                "and one bias.\n\n"
                f"**{after} · ({before} + 1) = {layer.parameters:,} parameters**\n\n"
                "Each weight is used once per picture; the bias is only added.\n\n"
                f"**{after} · {before} = {layer.multiplications:,} multiplications**"
            )


def explanations(config: TrainingConfig) -> dict[str, str]:
    """One sentence for each statement of `Net`, by how the statement begins."""
    c1, c2, hidden = config.conv1_channels, config.conv2_channels, config.hidden_units
    return {
        "class Net": "A network is a class; nn.Module keeps track of its weights.",
        "def __init__": "What the network is made of. The controls above are these four numbers.",
        "super()": "Prepares the lists in which nn.Module keeps layers and weights.",
        "self.conv1 =": f"{c1:,} filters of 3 × 3 slide over the picture; each writes one map of where it fits.",
        "self.pool =": "Keeps the largest of each 2 × 2 values: half the height and width, nothing to learn.",
        "self.conv2 =": f"{c2:,} filters of 3 × 3, each looking at all {c1:,} maps at once.",
        "self.fc1 =": f"{hidden:,} hidden units, each a weighted sum of all {c2 * 25:,} numbers.",
        "self.fc1_drop =": f"In training each hidden unit is left out with a chance of {config.dropout:.0%}.",
        "self.fc2 =": "Ten weighted sums of the hidden units: one score per class.",
        "def forward": "The way of N pictures through the layers.",
        "x = self.pool(F.relu(self.conv1": "Filter, set negative values to zero, halve: 28 → 26 → 13.",
        "x = self.pool(F.relu(self.conv2": "The same again: 13 → 11 → 5; the last row and column of 11 fall away.",
        "x = x.flatten": f"Lays the {c2:,} maps of 5 × 5 end to end: {c2 * 25:,} numbers per picture.",
        "x = F.relu(self.fc1": f"The {hidden:,} hidden units; negative sums become zero.",
        "x = self.fc1_drop": "Leaves units out while training, and does nothing while testing.",
        "logits": "Ten scores, called logits: the larger, the more likely the class.",
        "return": "They are not yet probabilities: the loss applies the softmax that makes them so.",
    }


def statements(source: str) -> list[str]:
    """The statements of a class, without docstrings and comments; a signature counts as one."""
    lines = source.splitlines()
    found = []

    def visit(node: ast.ClassDef | ast.FunctionDef) -> None:
        found.append("\n".join(lines[node.lineno - 1 : node.body[0].lineno - 1]))
        for child in node.body:
            if isinstance(child, ast.FunctionDef):
                visit(child)
            elif not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)):
                found.append(" " * child.col_offset + str(ast.get_source_segment(source, child)))

    visit(next(node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)))
    return [text.split("  #")[0].rstrip() for text in found]


def line_by_line(config: TrainingConfig) -> None:
    """The class as it stands in the file, each statement with what it does."""
    st.subheader("What each line does", anchor=False)
    why = explanations(config)
    rows = ""
    for statement in statements(show_the_code.source_of("fmnist_core.networks.net.Net")[1]):
        words = next((words for start, words in why.items() if statement.strip().startswith(start)), "")
        depth = len(statement) - len(statement.lstrip())
        code = escape(textwrap.dedent(statement))
        rows += (
            f'<div style="padding-left:calc({depth} * var(--indent))"><pre>{code}</pre></div><div>{escape(words)}</div>'
        )
    st.html(f'<div class="lines">{rows}</div>')


def printed(config: TrainingConfig) -> None:
    """What the tutorial's `print(net)` prints."""
    st.subheader("print(net)", anchor=False)
    st.code(fresh.printed(config), language=None, wrap_lines=True)


frame.page(
    "Network",
    "This is all there is between a picture and its ten scores. Change a width and see what it costs; nothing is "
    "trained on this page.",
    code=("fmnist_core.networks.net.Net", fresh.layers, fresh.fresh),
)
config = chosen_settings()
layers = fresh.layers(config)
totals(config, layers, fresh.layers(TUTORIAL))
picture(config, layers)
table(layers)
worked_out(layers)
line_by_line(config)
printed(config)

"""Layer by layer in numbers, and where the numbers come from."""

from __future__ import annotations

from html import escape

import streamlit as st

from fmnist_core.inside.fresh import Layer
from fmnist_core.settings.config import TrainingConfig
from pages.parts import controls, frame

LEARNED = {"conv1": "convolution", "conv2": "convolution", "fc1": "linear", "fc2": "linear"}


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
            f"{frame.percent(most.parameters / parameters, 0)} of all",
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

"""The network as ONNX, written from the one description of each architecture's graph: no torch is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from fmnist_core.data.dataset import CLASSES, MEAN, STD
from fmnist_core.export import words
from fmnist_core.export.history import ExportRefused, weights_of
from fmnist_core.export.weights import newest_step
from fmnist_core.inside.graph import EPSILON, INPUT, Node, Weights, check_weights, graph
from fmnist_core.runs.files.record import Run

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

OPSET, FORMAT = 18, 9
"""Version of the operators, and of the file: what runtimes of 2023 and later read."""
PIXELS, LOGITS = "pixels", "logits"
"""Names of what goes in and what comes out."""


def onnx_model(run: Run) -> bytes:
    """The newest weights as an ONNX model: pixels (N, 1, 28, 28) float32 in [0, 1] to logits (N, 10) float32.

    Standardisation is inside, and the mean over the mirror image where the run tests in that way. Raises ExportRefused.
    """
    step = newest_step(run)
    content: bytes = model(run, step).SerializeToString()
    return content


def model(run: Run, step: int) -> ModelProto:
    """The model after `step` steps, checked by the package. Raises ExportRefused."""
    try:
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise ExportRefused("ONNX needs the package onnx: pip install -r requirements-export.txt") from error

    config = run.config
    nodes, weights = graph(config), cast(Weights, weights_of(run, step))
    try:
        check_weights(nodes, weights)
    except ValueError as error:
        raise ExportRefused(f"The weights after step {step:,} do not make a network: {error}") from error
    tensors = {name: weights[name] for node in nodes for name in node.tensors}
    constants: dict[str, np.ndarray] = {}
    before: list[NodeProto] = []
    current = PIXELS
    if config.standardise:
        constants |= {"mean": np.array(MEAN, np.float32), "deviation": np.array(STD, np.float32)}
        before += [
            helper.make_node("Sub", [current, "mean"], ["centred"], name="centred"),
            helper.make_node("Div", ["centred", "deviation"], ["standardised"], name="standardised"),
        ]
        current = "standardised"
    if config.flip_test:  # the mirror images go through the network beside the pictures
        ends = {"start": [-1], "end": [np.iinfo(np.int64).min], "axis": [3], "stride": [-1]}
        constants |= {name: np.array(value, np.int64) for name, value in ends.items()}
        before += [
            helper.make_node("Slice", [current, "start", "end", "axis", "stride"], ["mirrored"], name="mirrored"),
            helper.make_node("Concat", [current, "mirrored"], ["both"], name="both", axis=0),
        ]
        current = "both"
    last = nodes[-1].name
    body = [made for node in nodes for made in _operators(node, current)]
    after: list[NodeProto] = []
    if config.flip_test:
        after += [
            helper.make_node("Split", [last], ["straight", "turned"], name="halves", axis=0, num_outputs=2),
            helper.make_node("Mean", ["straight", "turned"], [LOGITS], name=LOGITS),
        ]
    else:
        after.append(helper.make_node("Identity", [last], [LOGITS], name="result"))
    shape = [helper.make_tensor_value_info(PIXELS, TensorProto.FLOAT, ["images", 1, 28, 28])]
    result = [helper.make_tensor_value_info(LOGITS, TensorProto.FLOAT, ["images", 10])]
    stored = [
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in (tensors | constants).items()
    ]
    made = helper.make_model(
        helper.make_graph([*before, *body, *after], config.architecture, shape, result, stored),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=FORMAT,
        producer_name="Fashion-MNIST Lab",
        producer_version=words.app_version(),
        doc_string=f"Run {run.id} after {step} steps. pixels: 0 (background) to 1 (ink). Classes: {', '.join(CLASSES)}.",
    )
    helper.set_model_props(made, {"run": run.id, "step": str(step), "classes": ",".join(CLASSES)})
    onnx.checker.check_model(made, full_check=True)
    return made


def _operators(node: Node, first: str) -> list[NodeProto]:
    """The operators of one node; `first`: what stands for the picture."""
    from onnx import helper

    inputs = [first if name == INPUT else name for name in node.inputs]
    whole = [*inputs, *node.tensors]
    match node.op:
        case "convolution":
            kernel, stride, padding = [node.kernel] * 2, [node.stride] * 2, [node.padding] * 4
            return [
                helper.make_node(
                    "Conv", whole, [node.name], name=node.name, kernel_shape=kernel, strides=stride, pads=padding
                )
            ]
        case "normalisation":
            return [helper.make_node("BatchNormalization", whole, [node.name], name=node.name, epsilon=EPSILON)]
        case "relu":
            return [helper.make_node("Relu", inputs, [node.name], name=node.name)]
        case "addition":
            return [helper.make_node("Add", inputs, [node.name], name=node.name)]
        case "max-pooling":
            kernel, stride = [node.kernel] * 2, [node.stride] * 2
            return [
                helper.make_node("MaxPool", inputs, [node.name], name=node.name, kernel_shape=kernel, strides=stride)
            ]
        case "average-pooling":
            mean = f"{node.name}.mean"
            return [
                helper.make_node("GlobalAveragePool", inputs, [mean], name=mean),
                helper.make_node("Flatten", [mean], [node.name], name=node.name, axis=1),
            ]
        case "flatten":
            return [helper.make_node("Flatten", inputs, [node.name], name=node.name, axis=1)]
        case "linear":
            return [helper.make_node("Gemm", whole, [node.name], name=node.name, transB=1)]

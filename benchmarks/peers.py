"""The tutorial's network at batch size 20 as others train it, and how soon others predict, beside ours and the notebook's loop.

python -m benchmarks.peers [--rounds 5]

JAX (a `lax.scan` over the steps, jitted), PyTorch Lightning and Keras 3 on JAX train the same network from tensors in memory;
onnxruntime predicts the 10,000 test images. Those that are not installed are named: `pip install -r requirements-bench.txt`.
Each is a process of its own and they take turns. Where a peer is quicker than ours, its row says so.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from benchmarks import notebook, turns
from benchmarks.epoch import notebook_turn, our_turn, tensors
from fmnist_core.data import dataset
from fmnist_core.data.dataset import epoch_order
from fmnist_core.networks.net import Net
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import engine
from fmnist_core.training.compiled.predict import predict
from fmnist_core.training.state import TrainingData

BATCH, RATE, MOMENTUM, DROPOUT = 20, TrainingConfig.learning_rate, TrainingConfig.momentum, TrainingConfig.dropout
STEPS = 100 if turns.IS_QUICK else 1000
"""Of one turn."""
COMPARED = 50
"""Steps whose losses are compared with the notebook's, without dropout, on the same images in the same order."""
TRAINING = {"notebook": "", "torch": "", "compiled": "", "jax": "jax", "lightning": "lightning", "keras": "keras"}
PREDICTING = {"notebook's net": "", "ours": "", "onnxruntime": "onnxruntime"}
"""Each side and the package that it needs."""

Turn = turns.Turn


# --- Training --------------------------------------------------------------------------------------------------------


def jax_training(dropout: float) -> Callable[[np.ndarray], np.ndarray]:
    """Train from the weights of seed 0 on images in this order, (steps, BATCH): the losses, (steps,). Compiled at the first call."""
    import jax
    from jax import lax, nn, random
    from jax import numpy as jnp

    split = dataset.load("train")
    images, labels = jnp.asarray(np.array(split.images)), jnp.asarray(np.array(split.labels, np.int32))
    torch.manual_seed(0)
    start = {name: jnp.asarray(value.numpy()) for name, value in Net().state_dict().items()}
    for name in ("conv1.weight", "conv2.weight"):
        start[name] = start[name].transpose(2, 3, 1, 0)  # (y, x, in, out): what its compiler is at its best with

    def convolved(x, weights, name):
        layout = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(x, weights[f"{name}.weight"], (1, 1), "VALID", dimension_numbers=layout)
        x = nn.relu(x + weights[f"{name}.bias"])
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    def loss(weights, batch, key):
        x = images[batch].astype(jnp.float32)[..., None] / 255  # (N, 28, 28, 1)
        x = convolved(convolved(x, weights, "conv1"), weights, "conv2")  # (N, 5, 5, 20)
        x = x.transpose(0, 3, 1, 2).reshape(len(batch), -1)  # (N, 500), in torch's order
        x = nn.relu(x @ weights["fc1.weight"].T + weights["fc1.bias"])
        if dropout:
            x = jnp.where(random.bernoulli(key, 1 - dropout, x.shape), x / (1 - dropout), 0)
        logits = x @ weights["fc2.weight"].T + weights["fc2.bias"]
        return -jnp.take_along_axis(nn.log_softmax(logits), labels[batch][:, None], 1).mean()

    def step(state, batch):
        weights, velocity, key = state
        key, drawn = random.split(key)
        value, gradients = jax.value_and_grad(loss)(weights, batch, drawn)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
        weights = jax.tree.map(lambda w, v: w - RATE * v, weights, velocity)
        return (weights, velocity, key), value

    @jax.jit
    def epoch(order):
        state = (start, jax.tree.map(jnp.zeros_like, start), random.key(0))
        return lax.scan(step, state, order)[1]

    return lambda order: np.asarray(epoch(order))


def order_of(steps: int) -> np.ndarray:
    """The images of the first steps of seed 0, (steps, BATCH) int32."""
    return epoch_order(60_000, 0, 0)[: steps * BATCH].reshape(steps, BATCH).astype(np.int32)


def jax_turn() -> Turn:
    training, order = jax_training(DROPOUT), order_of(STEPS)

    def turn() -> float:
        began = time.perf_counter()
        training(order)
        return STEPS * BATCH / (time.perf_counter() - began)

    return turn


def lightning_turn(data: TrainingData) -> Turn:
    """Its loop alone: from the first batch to the end."""
    import logging
    import warnings

    import lightning

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Classifier(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.began, self.ended = Net(), 0.0, 0.0

        def training_step(self, batch, _index):
            images, labels = batch
            return torch.nn.functional.cross_entropy(self.net(images), labels)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=RATE, momentum=MOMENTUM)

        def on_train_epoch_start(self) -> None:
            self.began = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            self.ended = time.perf_counter()

    def turn() -> float:
        trainer = lightning.Trainer(
            accelerator="cpu", max_epochs=1, limit_train_batches=STEPS, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        module = Classifier()
        trainer.fit(module, tensors(data, BATCH))
        return STEPS * BATCH / (module.ended - module.began)

    return turn


def keras_turn() -> Turn:
    """`fit` on arrays in memory."""
    os.environ["KERAS_BACKEND"] = "jax"
    import keras
    from keras import layers

    split = dataset.load("train")
    count = STEPS * BATCH
    images = np.array(split.images[:count], np.float32)[..., None] / 255
    labels = np.array(split.labels[:count], np.int32)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(10, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(20, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dropout(DROPOUT),
            layers.Dense(10),
        ]
    )
    assert model.count_params() == sum(parameter.numel() for parameter in Net().parameters())
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(RATE, momentum=MOMENTUM), loss)

    def turn() -> float:
        began = time.perf_counter()
        model.fit(images, labels, batch_size=BATCH, epochs=1, verbose=0)
        return count / (time.perf_counter() - began)

    return turn


def jax_difference() -> float:
    """The largest relative difference between JAX's losses and the notebook's, without dropout, on the same images."""
    theirs = jax_training(0.0)(order_of(COMPARED))
    torch.manual_seed(0)
    net = Net(dropout=0.0)
    loader = notebook.loader(train=True, batch_size=BATCH, order=order_of(COMPARED).ravel().tolist())
    reference = np.array(notebook.train(net, loader))
    return float(np.abs(theirs / reference - 1).max())


# --- Predicting ------------------------------------------------------------------------------------------------------


def onnx_file(net: Net) -> bytes:
    """The network as ONNX."""
    from onnx import TensorProto, helper, numpy_helper

    def node(op: str, inputs: list[str], output: str, **options: object):
        return helper.make_node(op, inputs, [output], **options)

    nodes, at = [], "pixels"
    for layer in ("conv1", "conv2"):
        nodes += [
            node("Conv", [at, f"{layer}.weight", f"{layer}.bias"], layer),
            node("Relu", [layer], f"{layer}.relu"),
            node("MaxPool", [f"{layer}.relu"], f"{layer}.pool", kernel_shape=[2, 2], strides=[2, 2]),
        ]
        at = f"{layer}.pool"
    nodes += [
        node("Flatten", [at], "flat"),
        node("Gemm", ["flat", "fc1.weight", "fc1.bias"], "fc1", transB=1),
        node("Relu", ["fc1"], "hidden"),
        node("Gemm", ["hidden", "fc2.weight", "fc2.bias"], "logits", transB=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "net",
        [value("pixels", TensorProto.FLOAT, ["images", 1, 28, 28])],
        [value("logits", TensorProto.FLOAT, ["images", 10])],
        [numpy_helper.from_array(tensor.numpy(), name) for name, tensor in net.state_dict().items()],
    )
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()
    return content


def predictor(side: str) -> Callable[[], np.ndarray]:
    """Gives the logits of all test images, from their bytes."""
    torch.manual_seed(0)
    net, images = Net().eval(), np.array(dataset.load("test").images)

    def pixels() -> np.ndarray:
        return images[:, None].astype(np.float32) / np.float32(255)

    if side == "ours":
        weights = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
        return lambda: predict(weights, images)
    if side == "onnxruntime":
        import onnxruntime

        session = onnxruntime.InferenceSession(onnx_file(net), providers=["CPUExecutionProvider"])
        return lambda: np.concatenate([session.run(None, {"pixels": part})[0] for part in np.split(pixels(), 10)])

    def with_torch() -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate([net(part).numpy() for part in torch.from_numpy(pixels()).split(1000)])

    return with_torch


def seconds_of(side: str) -> Turn:
    predicted = predictor(side)

    def turn() -> float:
        began = time.perf_counter()
        predicted()
        return time.perf_counter() - began

    return turn


# --- Both ------------------------------------------------------------------------------------------------------------


def peer(side: str) -> Turn:
    """One side of the comparison."""
    if side in PREDICTING:
        return seconds_of(side)
    if side == "jax":
        return jax_turn()
    if side == "keras":
        return keras_turn()
    data = TrainingData.load(torch.device("cpu"))
    if side == "notebook":
        return notebook_turn(BATCH, notebook.loader(train=True, batch_size=BATCH), STEPS)
    return lightning_turn(data) if side == "lightning" else our_turn(BATCH, data, side, STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    is_compiled = engine.prepare() is not None
    there = lambda package: not package or importlib.util.find_spec(package) is not None  # noqa: E731
    environments = {"torch": MEMORY | {"FMNIST_COMPILED": "0"}, "compiled": MEMORY, "ours": MEMORY}
    rows: list[tuple[str, str, str]] = []
    result: dict[str, object] = {}
    turns.so_far("peers", rows, result)
    for kind, sides, until in (("training", TRAINING, 0.8), ("predicting", PREDICTING, 1.0)):
        peers = {
            side: (partial(peer, side), environments.get(side, {}))
            for side, package in sides.items()
            if there(package) and (is_compiled or side != "compiled")
        }
        has_others = any(sides[side] for side in peers)  # `epoch` and `evaluation` compare ours with the notebook's
        found = turns.take_turns(peers, arguments.rounds, until=until) if has_others else {}
        best = ("compiled" if is_compiled else "torch") if kind == "training" else "ours"
        for side in sides:
            label = f"{side}: images/s at batch {BATCH}" if kind == "training" else f"{side}: 10,000 test images, s"
            if side not in found:
                if not sides[side]:
                    continue
                rows.append((label, "", "not installed: pip install -r requirements-bench.txt"))
                continue
            value = statistics.median(found[side])
            ahead = turns.ratio(*((found[best], found[side]) if kind == "training" else (found[side], found[best])))
            words = "ours" if side == best else f"ours is {ahead:.1f} times as quick" if ahead >= 1 else ""
            rows.append(
                (
                    label,
                    f"{value:,.0f}" if kind == "training" else f"{value:.3f}",
                    words or f"IT IS QUICKER, {1 / ahead:.2f} times: the next to beat",
                )
            )
            result[side] = {"median": round(value, 4), "ours_times": round(ahead, 2)}
    if there("jax"):
        difference = jax_difference()
        rows.append((f"jax: largest relative difference of {COMPARED} losses", f"{difference:.1e}", "2e-04 at most"))
        result["jax_loss_difference"] = difference
    logits = [predictor(side)() for side, package in PREDICTING.items() if there(package)]
    apart = max(float(np.abs(each - logits[0]).max()) for each in logits)
    rows.append(("predictions: largest difference of a logit", f"{apart:.1e}", "1e-05 at most"))
    turns.report("peers", rows, {**result, "logit_difference": apart})


if __name__ == "__main__":
    main()

"""Counting what a network in training gets right, the quickest way that there is for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation, evaluate
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.schedules import learning_rate_at
from fmnist_core.training.compiled.predict import predict
from fmnist_core.training.events import Diverged, Logits, Measured
from fmnist_core.training.state import TrainingData, TrainingState, extent

LARGE = 1_000_000
"""Weights from which on 200 pictures take a CPU many seconds: it gets 20 at a time, and may be told to leave in between."""


def evaluated(
    config: TrainingConfig,
    net: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    in_c: bool,
    between: Callable[[], object] | None = None,
) -> Evaluation:
    """The network on these images, (N, 28, 28) uint8, prepared as `config` says; `in_c` where `engine.predicts` it.

    What `between` raises ends it, where the network is a large one on a CPU: nobody has to wait long for the others.
    """
    truth, options = labels.cpu().numpy(), {"standardise": config.standardise, "flip": config.flip_test}
    if not in_c:
        is_slow = images.device.type == "cpu" and sum(weight.numel() for weight in net.parameters()) > LARGE
        size, left = (20, between) if is_slow else (200, None)
        return evaluate(net, images, truth, size, between=left, **options)
    weights = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    logits = predict(weights, images.numpy(), **options, threads=torch.get_num_threads())
    return Evaluation.from_logits(logits, truth)


def measure(
    state: TrainingState, data: TrainingData, between: Callable[[], object] | None = None
) -> tuple[Logits, Measured] | tuple[Diverged]:
    """Evaluate on the test images, on as many of those that are trained on, and on those that are held out.

    A large network takes minutes for that on a CPU: what `between` raises, now and then, ends it.

    `Diverged` where a number of it is not finite, as it is when weights or logits have overflowed.
    """
    config, kept = state.config, dataset.trained_on(len(data.labels), state.config.validation, state.config.fold)
    epoch, rest = divmod(state.step, steps := extent(config, data)[0])

    def of(images: torch.Tensor, labels: torch.Tensor) -> Evaluation:
        return evaluated(config, state.net, images, labels, in_c=state.predicts_in_c, between=between)

    def of_training(indices: npt.NDArray[np.int64]) -> Evaluation:
        some = torch.from_numpy(indices).to(data.images.device)
        return of(data.images[some], data.labels[some])

    test = of(data.test_images, data.test_labels)
    train = of_training(kept[: len(data.test_labels)])
    validation = of_training(dataset.held_out(config.validation, config.fold)) if config.validation else None
    for evaluation in filter(None, (test, train, validation)):
        if not (math.isfinite(loss := evaluation.loss) and np.isfinite(evaluation.logits).all()):
            rate = float(learning_rate_at(config, max(0, state.step - 1), extent(config, data)[1]))
            return (Diverged(state.step, loss if not math.isfinite(loss) else math.inf, rate, measured=True),)
    score, logits = (validation.score, validation.logits) if validation else (None, None)
    epochs = epoch + rest / steps if rest else epoch
    return (
        Logits(state.step, test.logits, logits),
        Measured(state.step, epochs, state.seconds, test.score, train.score, score),
    )

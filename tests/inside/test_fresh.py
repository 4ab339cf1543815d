"""The Network page's network, without torch: the same weights, layers and words as torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fmnist_core.data import dataset
from fmnist_core.inside.fresh import fresh, layers, printed
from fmnist_core.networks import net
from fmnist_core.settings.config import TrainingConfig
from tests.inside.conftest import as_torch

CONFIGS = (TrainingConfig(), TrainingConfig(conv1_channels=3, conv2_channels=33, hidden_units=7, dropout=0.25))


def built(config: TrainingConfig, seed: int) -> net.Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net.build(config).eval()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("seed", [0, 4_000_000_000])
def test_fresh_weights_are_torchs_to_the_last_bit(config: TrainingConfig, seed: int):
    """What the page shows is what a run with that seed begins with."""
    for name, tensor in built(config, seed).state_dict().items():
        assert (fresh(config, seed).weights[name] == tensor.numpy()).all(), name


@pytest.mark.parametrize("config", CONFIGS)
def test_layers_are_torchs(config: TrainingConfig):
    """Shapes and parameters are those that an image meets on its way, multiplications those that torch counts."""
    theirs = built(config, 0)
    met: dict[str, list[tuple[tuple[int, ...], tuple[int, ...]]]] = {}
    for name, module in theirs.named_children():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: met.setdefault(name, []).append(
                (tuple(inputs[0].shape[1:]), tuple(output.shape[1:]))
            )
        )
    with FlopCounterMode(display=False) as counter:
        theirs(torch.zeros(1, 1, 28, 28))
    ours = layers(config)
    for name, module in theirs.named_children():
        said = [layer for layer in ours if layer.name == name]
        assert [(layer.input_shape, layer.output_shape) for layer in said] == met[name], name
        assert {layer.parameters for layer in said} == {sum(one.numel() for one in module.parameters())}, name
    assert 2 * sum(layer.multiplications for layer in ours) == counter.get_total_flops()
    assert [layer.input_shape for layer in ours] == [(1, 28, 28), *(layer.output_shape for layer in ours[:-1])]
    assert [layer.kind for layer in ours] == [
        "convolution", "ReLU", "max-pooling", "convolution", "ReLU", "max-pooling", "flatten",
        "linear", "ReLU", "dropout", "linear",
    ]  # fmt: skip


@pytest.mark.parametrize("config", CONFIGS)
def test_print_is_torchs(config: TrainingConfig):
    """Word for word."""
    assert printed(config) == repr(built(config, 0))


def test_what_it_says_of_a_picture_is_torchs():
    """The same ten scores."""
    images = dataset.load("train").images[:5]
    with torch.no_grad():
        theirs = built(CONFIGS[0], 0)(as_torch(images)).numpy()
    np.testing.assert_allclose(fresh(CONFIGS[0]).logits(images), theirs, atol=1e-5)

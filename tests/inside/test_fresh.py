"""The Network page's network, without torch: the same weights, layers and words as torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

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
    """Names, kinds, shapes, parameters and multiplications are those that torch's modules have."""
    theirs = [
        (one.name, one.kind, one.kernel, one.input_shape, one.output_shape, one.parameters, one.multiplications)
        for one in net.describe(built(config, 0))
    ]
    assert [tuple(vars(one).values()) for one in layers(config)] == theirs


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

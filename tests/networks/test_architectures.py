"""The other networks: shapes, sizes, what they are told apart by."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import nn

from fmnist_core.networks.architectures import (
    ARCHITECTURES,
    Linear,
    Perceptron,
    Residual,
    WideResidual,
    build,
)
from fmnist_core.networks.net import QuickNet
from fmnist_core.settings.config import Architecture, TrainingConfig


def test_every_architecture_can_be_chosen():
    """What the settings allow is what there is."""
    assert set(ARCHITECTURES) == set(get_args(Architecture))
    assert isinstance(build(TrainingConfig()), QuickNet)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_ten_finite_logits_for_each_image(name: Architecture):
    """Any network takes a batch of any size, in training too, and every weight has a share in the loss."""
    net = build(TrainingConfig(architecture=name, dropout=0.0))
    for size in (1, 7):
        logits = net(torch.rand(size, 1, 28, 28))
        assert logits.shape == (size, 10)
        assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in net.parameters())


def test_sizes_are_what_the_names_say():
    """784 x 10 + 10 for the linear one; the perceptron adds a hidden layer; the residual one keeps below 100,000."""

    def size(net: nn.Module) -> int:
        return sum(parameter.numel() for parameter in net.parameters())

    assert size(Linear()) == 7_850
    assert size(Perceptron(100)) == 784 * 100 + 100 + 100 * 10 + 10
    assert 27_480 / 2 < size(build(TrainingConfig(architecture="residual"))) <= 100_000
    assert size(build(TrainingConfig(architecture="deep"))) > size(build(TrainingConfig(architecture="residual")))


def test_wide_residual_networks_have_the_published_size():
    """Table 4 of "Wide Residual Networks" (for three colours): WRN-40-4 8.9 million parameters, WRN-16-8 11.0 million."""
    for depth, width, millions in ((40, 4, 8.9), (16, 8, 11.0)):
        parameters = sum(parameter.numel() for parameter in WideResidual(depth, width).parameters())
        assert round(parameters / 1e6, 1) == millions


def test_a_linear_network_is_a_matrix():
    """Its logits are a weighted sum of pixels, whatever stands where."""
    net, image = Linear(), torch.rand(3, 1, 28, 28)
    assert torch.allclose(net(image), image.view(3, 784) @ net.fc.weight.T + net.fc.bias, atol=1e-6)


def test_a_block_adds_to_what_it_is_given():
    """With nothing to add, a residual block passes its input on."""
    block = Residual((8,), (1,)).stages[1]
    nn.init.zeros_(block.convolutions[-1][1].weight)
    image = torch.rand(2, 8, 14, 14)
    assert torch.equal(block(image), image)

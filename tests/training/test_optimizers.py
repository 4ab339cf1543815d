"""Optimizers: torch's arithmetic, and Muon against torch's and against its definition."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.optimizers import Muon, make_optimizer, orthogonal

CPU = torch.device("cpu")


def trained(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 5) -> list[torch.Tensor]:
    """The parameters after a few steps on random images that are the same for all."""
    generator = torch.Generator().manual_seed(1)
    for _step in range(steps):
        images = torch.rand(16, 1, 8, 8, generator=generator)
        labels = torch.randint(10, (16,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
    return [parameter.detach() for parameter in net.parameters()]


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(216, 20), nn.ReLU(), nn.Linear(20, 10))


@pytest.mark.parametrize(
    ("settings", "reference"),
    [
        ({"optimizer": "sgd"}, lambda p: torch.optim.SGD(p, 0.05, 0.9)),
        ({"optimizer": "sgd", "momentum": 0.0}, lambda p: torch.optim.SGD(p, 0.05)),
        ({"optimizer": "sgd", "weight_decay": 0.01}, lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01)),
        ({"optimizer": "nesterov"}, lambda p: torch.optim.SGD(p, 0.05, 0.9, nesterov=True)),
        ({"optimizer": "adam"}, lambda p: torch.optim.Adam(p, 0.05)),
        ({"optimizer": "adam", "weight_decay": 0.1}, lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1)),
    ],
    ids=["sgd", "plain", "decay", "nesterov", "adam", "adamw"],
)
def test_a_word_in_the_settings_is_the_optimizer_of_that_name(net: nn.Module, settings: dict[str, object], reference):
    """Five steps change every weight as torch's plain optimizer does."""
    theirs = copy.deepcopy(net)
    config = TrainingConfig.from_dict({"learning_rate": 0.05, **settings})
    ours = trained(net, make_optimizer(config, net, CPU))
    for mine, other in zip(ours, trained(theirs, reference(theirs.parameters())), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


def test_muon_is_torchs_on_matrices():
    """Several steps on one matrix, tall or wide: torch.optim.Muon's, which rounds to bfloat16 on its way."""
    for shape in ((12, 30), (30, 12)):
        torch.manual_seed(0)
        mine, theirs = (nn.Parameter(torch.ones(shape)) for _ in range(2))
        ours = Muon([mine], [], 0.02, 0.9, 0.1)
        reference = torch.optim.Muon([theirs], 0.02, 0.1, 0.9, adjust_lr_fn="match_rms_adamw")
        for _step in range(4):
            mine.grad = torch.randn(shape)
            theirs.grad = mine.grad.clone()
            ours.step()
            reference.step()
        moved = (theirs - 1).norm()
        assert (mine - theirs).norm() < 0.02 * moved


def test_muon_treats_a_kernel_as_the_matrix_of_its_filters():
    """A convolution's weight moves as the same numbers do in a matrix, one row for each filter."""
    kernel, matrix = nn.Parameter(torch.zeros(6, 4, 3, 3)), nn.Parameter(torch.zeros(6, 36))
    gradient = torch.randn(6, 4, 3, 3)
    kernel.grad, matrix.grad = gradient, gradient.flatten(1)
    for parameter in (kernel, matrix):
        Muon([parameter], [], 0.1).step()
    assert torch.allclose(kernel.flatten(1), matrix, atol=1e-6)


def test_muon_leaves_biases_and_the_last_layer_to_adamw(net: nn.Module):
    """They move as under torch.optim.AdamW when the other layers stand still."""
    config = TrainingConfig(optimizer="muon", learning_rate=0.05, weight_decay=0.1)
    groups = make_optimizer(config, net, CPU).param_groups
    assert [[tuple(p.shape) for p in group["params"]] for group in groups] == [
        [(6, 1, 3, 3), (20, 216)], [(6,), (20,), (10,), (10, 20)],
    ]  # fmt: skip
    theirs = copy.deepcopy(net)
    ours = trained(net, Muon([], net.parameters(), 0.05, weight_decay=0.1))
    expected = trained(theirs, torch.optim.AdamW(theirs.parameters(), 0.05, weight_decay=0.1))
    for mine, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shape", [(10, 10), (5, 40), (40, 5), (1, 9)])
def test_orthogonal_keeps_directions_and_evens_out_their_sizes(shape: tuple[int, int]):
    """The singular vectors stay, the singular values come near 1: compared with the exact U·Vᵀ of the SVD."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found, exact = orthogonal(matrix), u @ v
    assert F.cosine_similarity(found.flatten(), exact.flatten(), dim=0) > 0.97
    assert 0.6 < torch.linalg.svdvals(found).min() <= torch.linalg.svdvals(found).max() < 1.3

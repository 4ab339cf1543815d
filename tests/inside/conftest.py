"""Networks that were really trained: every architecture, briefly, and the tutorial's a little longer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
import torch
import torch.nn.functional as F

from fmnist_core.data import dataset
from fmnist_core.inside.network import Network
from fmnist_core.networks.architectures import build
from fmnist_core.settings.config import Architecture, TrainingConfig

STEPS: dict[Architecture, tuple[int, int]] = {
    "net": (200, 50),
    "linear": (100, 50),
    "perceptron": (100, 50),
    "residual": (25, 32),
    "deep": (12, 32),
    "wide": (2, 8),
}
"""Updates and images per update: enough to move weights, biases and running statistics away from where they begin."""


@dataclass(frozen=True)
class Twins:
    """The same trained network twice."""

    torch: torch.nn.Module
    ours: Network


@cache
def trained(architecture: Architecture, standardise: bool) -> Twins:
    train = dataset.load("train")
    config = TrainingConfig(architecture=architecture, standardise=standardise, dropout=0.1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = build(config).train()
        optimizer = torch.optim.Adam(net.parameters(), 0.003)
        steps, size = STEPS[architecture]
        for step in range(steps):
            some = slice(step * size, (step + 1) * size)
            x = as_torch(train.images[some], standardise)
            optimizer.zero_grad()
            F.cross_entropy(net(x), torch.tensor(train.labels[some]).long()).backward()
            optimizer.step()
    weights = {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}
    return Twins(net.eval(), Network(config, weights))


def as_torch(images, standardise: bool = False) -> torch.Tensor:
    """What training itself makes of pictures."""
    from fmnist_core.evaluation.evaluate import as_input

    return as_input(torch.tensor(images), standardise=standardise)


@pytest.fixture(
    params=[pytest.param(name, marks=pytest.mark.slow if name in ("deep", "wide") else ()) for name in STEPS]
)
def twins(request: pytest.FixtureRequest) -> Twins:
    """Each architecture; those with normalisation see standardised pictures."""
    return trained(request.param, request.param in ("residual", "wide"))


@pytest.fixture
def net() -> Twins:
    """The tutorial's network."""
    return trained("net", False)


@pytest.fixture(scope="session")
def pictures():
    """(N, 28, 28) test pictures, seven of each class among them."""
    return dataset.load("test").images

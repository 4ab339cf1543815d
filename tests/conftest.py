"""What holds for all tests, and real predictions for those that count."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation, as_input, evaluate
from tests.dispatchers import Dispatchers

os.environ["FMNIST_COMPILED"] = "0"
"""Training goes PyTorch's way, unless a test asks for the compiled step: runs must last long enough to be disturbed."""


@pytest.fixture(scope="session")
def dispatchers() -> Iterator[Dispatchers]:
    """For tests that need runs, and do not look at how they are started."""
    dispatchers = Dispatchers()
    yield dispatchers
    dispatchers.close()


@pytest.fixture(scope="session")
def predictions() -> Evaluation:
    """Real ones: the tutorial's network after a short training, on all 10,000 test images."""
    import torch
    import torch.nn.functional as F

    from fmnist_core.networks.net import Net

    train, test = dataset.load("train"), dataset.load("test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), 0.004)
        images, labels = torch.tensor(train.images[:6_000]), torch.tensor(train.labels[:6_000]).long()
        for some in torch.randperm(len(labels)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(net(as_input(images[some])), labels[some]).backward()
            optimizer.step()
    return evaluate(net, torch.tensor(test.images), test.labels)

"""The tutorial's network, and what is said about it."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from fmnist_core.networks.net import Net, QuickNet, build, describe
from fmnist_core.settings.config import TrainingConfig

WIDTHS = [(10, 20, 50), (1, 1, 1), (7, 3, 100), (32, 64, 128)]


class TutorialNet(nn.Module):
    """The network as the tutorial's notebook has it."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 10, 3)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(10, 20, 3)
        self.fc1 = nn.Linear(20 * 5 * 5, 50)
        self.fc1_drop = nn.Dropout(p=0.4)
        self.fc2 = nn.Linear(50, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        x = x.view(x.size(0), -1)
        x = torch.relu(self.fc1(x))
        x = self.fc1_drop(x)
        return self.fc2(x)


def test_net_is_the_tutorials():
    """Same layers in the same order, same fresh weights at the same seed, same logits and gradients."""
    torch.manual_seed(1)
    ours = Net()
    torch.manual_seed(1)
    theirs = TutorialNet()
    assert [(n, str(m)) for n, m in ours.named_children()] == [(n, str(m)) for n, m in theirs.named_children()]
    images = torch.rand(8, 1, 28, 28)
    for net in (ours, theirs):
        torch.manual_seed(2)  # the same units drop out
        net(images).square().sum().backward()
    for (name, a), (_, b) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert torch.equal(a, b), name
        assert torch.allclose(a.grad, b.grad, rtol=1e-5, atol=1e-6), name


def test_net_has_27480_parameters():
    """As the tutorial's: 100 + 1,820 + 25,050 + 510."""
    assert sum(parameter.numel() for parameter in Net().parameters()) == 27_480
    assert [layer.parameters for layer in describe(Net()) if layer.parameters] == [100, 1820, 25_050, 510]


@pytest.mark.parametrize("widths", WIDTHS)
def test_described_shapes_are_real(widths: tuple[int, int, int]):
    """Each layer's shapes and parameters are those that a picture meets on its way, for any widths."""
    net = Net(*widths).eval()
    met: dict[str, list[tuple[torch.Size, torch.Size]]] = {}
    for name, module in net.named_children():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: met.setdefault(name, []).append(
                (inputs[0].shape[1:], output.shape[1:])
            )
        )
    net(torch.zeros(1, 1, 28, 28))
    layers = describe(net)
    for name, shapes in met.items():
        said = [(layer.input_shape, layer.output_shape) for layer in layers if layer.name == name]
        assert said == [tuple(map(tuple, pair)) for pair in shapes], name
    for before, after in itertools.pairwise(layers):
        assert after.input_shape == before.output_shape
    assert layers[0].input_shape == (1, 28, 28)
    assert layers[-1].output_shape == (10,)
    for name, module in net.named_children():
        said_parameters = {layer.parameters for layer in layers if layer.name == name}
        assert said_parameters == {sum(parameter.numel() for parameter in module.parameters())}
    assert sum(layer.parameters for layer in layers) == sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("widths", WIDTHS)
def test_multiplications_are_those_that_torch_counts(widths: tuple[int, int, int]):
    """torch counts each multiplication with its addition as two operations."""
    net = Net(*widths).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 28, 28))
    assert 2 * sum(layer.multiplications for layer in describe(net)) == counter.get_total_flops()


def test_describe_names_what_is_there():
    """Every name in the description that the network has is one of its layers, in the order of `forward`."""
    names = [layer.name for layer in describe(Net())]
    assert [name for name in names if hasattr(Net(), name)] == [
        "conv1", "pool", "conv2", "pool", "fc1", "fc1_drop", "fc2",
    ]  # fmt: skip
    assert {name for name, _ in Net().named_children()} <= set(names)


def test_describe_changes_nothing():
    """Looking at a network leaves its mode and torch's random state alone."""
    net = Net()
    state = torch.get_rng_state()
    describe(net)
    assert all(module.training for module in net.modules())
    assert torch.equal(torch.get_rng_state(), state)


def test_build_follows_the_settings():
    """Widths and dropout come from the settings; without any they are the tutorial's."""
    net = build(TrainingConfig(conv1_channels=3, conv2_channels=4, hidden_units=5, dropout=0.25))
    assert (net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features) == (3, 4, 5)
    assert net.fc1_drop.p == 0.25
    assert repr(build(TrainingConfig())) == repr(Net())


def test_dropout_works_in_training_only():
    """In training mode two passes differ; in evaluation mode they are the same."""
    net, image = Net(), torch.rand(1, 1, 28, 28)
    assert not torch.equal(net(image), net(image))
    net.eval()
    assert torch.equal(net(image), net(image))


def test_quick_network_computes_the_same_gradients():
    """ReLU after pooling instead of before it: the same logits and the same gradients, to the last bit."""
    images, labels = torch.rand(64, 1, 28, 28), torch.randint(10, (64,))
    gradients = []
    for kind in (Net, QuickNet):
        torch.manual_seed(0)
        net = kind()
        torch.manual_seed(1)  # the same dropout
        F.cross_entropy(net(images), labels).backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*gradients, strict=True))

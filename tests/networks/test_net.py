"""The tutorial's network, and what is said about it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from fmnist_core.networks.net import Net, QuickNet, build
from fmnist_core.settings.config import TrainingConfig


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
    layers = [sum(parameter.numel() for parameter in module.parameters()) for module in Net().children()]
    assert [count for count in layers if count] == [100, 1820, 25_050, 510]


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

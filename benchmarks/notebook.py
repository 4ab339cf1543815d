"""The tutorial's own loops, as the peer to measure against: torchvision, PIL, a DataLoader, plain SGD."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import nn, optim
from torch.utils.data import DataLoader
from torchvision.datasets import FashionMNIST
from torchvision.transforms import ToTensor

from fmnist_core.data.dataset import data_folder
from fmnist_core.networks.net import Net

Batches = Iterable[Sequence[torch.Tensor]]


def pictures(*, train: bool) -> FashionMNIST:
    """The notebook's data set: each picture is decoded and made a tensor when it is asked for."""
    return FashionMNIST(root=str(data_folder()), train=train, download=True, transform=ToTensor())


def loader(*, train: bool, batch_size: int, order: Sequence[int] | None = None) -> Batches:
    """The notebook's loader; `order` instead of shuffling where both sides must see the same batches."""
    data = pictures(train=train)
    if order is None:
        return DataLoader(data, batch_size=batch_size, shuffle=True)
    return DataLoader(data, batch_size=batch_size, sampler=order)


def train(net: Net, batches: Batches) -> list[float]:
    """The notebook's training loop; the loss of every batch."""
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    losses = []
    net.train()
    for data in batches:
        inputs, labels = data
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test(net: Net, batches: Batches) -> tuple[float, list[int]]:
    """The notebook's test loop: mean loss, and correct images per class. Its gradients are on, as published."""
    test_loss = torch.zeros(1)
    class_correct, class_total = [0.0] * 10, [0.0] * 10
    criterion = nn.CrossEntropyLoss()
    net.eval()
    for batch_i, data in enumerate(batches):
        inputs, labels = data
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        test_loss = test_loss + ((torch.ones(1) / (batch_i + 1)) * (loss.data - test_loss))
        _, predicted = torch.max(outputs.data, 1)
        correct = predicted.eq(labels.data.view_as(predicted))
        for i in range(len(labels)):
            label = labels.data[i]
            class_correct[label] += correct[i].item()
            class_total[label] += 1
    return test_loss.item(), [int(n) for n in class_correct]

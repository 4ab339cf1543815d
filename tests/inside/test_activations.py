"""Activations and slopes, held against torch's hooks and autograd on trained weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fmnist_core.inside import activations
from fmnist_core.inside.graph import INPUT, graph, multiplications, tensor_shapes
from fmnist_core.inside.network import Network
from fmnist_core.settings.config import TrainingConfig
from tests.inside.conftest import Twins, as_torch


def test_the_graph_has_the_networks_tensors(twins: Twins):
    """The names and shapes of all weights, none left out, are those of torch's own module."""
    theirs = {name: tuple(t.shape) for name, t in twins.torch.state_dict().items() if "num_batches" not in name}
    assert tensor_shapes(twins.ours.nodes) == theirs


def test_every_activation_is_torchs(twins: Twins, pictures):
    """What a node puts out is what the module of that name puts out in torch, for every module of every architecture."""
    images = pictures[:4]
    seen: dict[str, np.ndarray] = {}

    def keep(name: str):
        return lambda _module, _inputs, output: seen.__setitem__(name, output.detach().numpy())

    modules = dict(twins.torch.named_modules())
    computing = {node.module for node in twins.ours.nodes if node.module}
    handles = [modules[name].register_forward_hook(keep(name)) for name in computing]
    with torch.no_grad():
        logits = twins.torch(as_torch(images, twins.ours.config.standardise)).numpy()
    for handle in handles:
        handle.remove()
    values = twins.ours.values(images)
    assert set(seen) == computing
    for node in twins.ours.nodes:
        assert values[node.name].shape == (4, *node.shape)
        assert values[node.name].dtype == np.float32
        if node.module:
            np.testing.assert_allclose(values[node.name], seen[node.module], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(values[twins.ours.nodes[-1].name], logits, rtol=1e-4, atol=1e-4)


def test_slopes_are_autograds(twins: Twins, pictures):
    """The slope of each logit by each pixel is torch's; with float64 on both sides to twelve digits."""
    images = pictures[:2]
    weights = {name: value.astype(np.float64) for name, value in twins.ours.weights.items()}
    x = twins.ours.input(images).astype(np.float64)
    values = activations.forward(twins.ours.nodes, weights, x)
    net = twins.torch.double()
    try:
        for label in (0, 6, 9):
            seed = np.zeros((len(x), 10))
            seed[:, label] = 1
            ours = activations.backward(twins.ours.nodes, weights, values, seed).gradients[INPUT]
            theirs = torch.tensor(x, requires_grad=True)
            net(theirs)[:, label].sum().backward()
            np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-10)
    finally:
        net.float()


def test_keeping_only_some_gives_the_same(twins: Twins, pictures):
    """What is dropped on the way changes nothing of what is kept."""
    every, names = twins.ours.values(pictures[:2]), [twins.ours.nodes[0].name, twins.ours.nodes[-1].name]
    some = twins.ours.values(pictures[:2], names)
    assert list(some) == names
    assert all((some[name] == every[name]).all() for name in names)


def test_mirrored_measurements_are_averaged(net: Twins, pictures):
    """Where a run averages over mirror images, so do these logits."""
    mirrored = Network(TrainingConfig(flip_test=True), net.ours.weights)
    both = (net.ours.logits(pictures[:20]) + net.ours.logits(np.ascontiguousarray(pictures[:20, :, ::-1]))) / 2
    np.testing.assert_allclose(mirrored.logits(pictures[:20]), both, atol=1e-6)


def test_multiplications_are_those_that_torch_counts(twins: Twins):
    """Torch counts each multiplication with its addition as two operations."""
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        twins.torch(torch.zeros(1, 1, 28, 28))
    assert 2 * sum(multiplications(twins.ours.nodes, node) for node in twins.ours.nodes) == counter.get_total_flops()


def test_the_first_of_equals_wins():
    """Ties are broken as torch does: flat background would otherwise get other slopes than autograd's."""
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 2:, 2:] = 7
    assert (activations.pool_winners(x) == 0).all()
    assert activations.pool_ties(x).tolist() == [[[[False, False], [False, True]]]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w.pop("conv2.bias"), "conv2.bias is missing"),
        (lambda w: w.update({"fc1.weight": w["fc1.weight"][:, :-1]}), r"fc1.weight must have the shape \(50, 500\)"),
        (lambda w: w.update({"fc2.bias": w["fc2.bias"] * np.nan}), "fc2.bias has values that are not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(net: Twins, spoil, words: str):
    """A network is refused, with the tensor's name, before anything is computed."""
    weights = dict(net.ours.weights)
    spoil(weights)
    with pytest.raises(ValueError, match=words):
        Network(TrainingConfig(), weights)


def test_widths_are_free():
    """The graph follows the settings of `Net`."""
    nodes = graph(TrainingConfig(conv1_channels=3, conv2_channels=4, hidden_units=5))
    assert [node.shape for node in nodes if node.module] == [(3, 26, 26), (4, 11, 11), (5,), (10,)]

"""The ledger adds up; the maps beside it are what their papers say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fmnist_core.inside import attribution
from fmnist_core.inside.attribution import ledger, target
from tests.inside.conftest import Twins, as_torch


@pytest.mark.parametrize("black", [False, True])
def test_the_ledger_adds_up_to_the_logit(twins: Twins, pictures, black: bool):
    """784 contributions and a constant are the logit that torch computes, within 1e-4, in every architecture."""
    count = 100 if twins.ours.config.architecture == "net" else 3
    for index in np.random.default_rng(0).permutation(10_000)[:count]:
        image = pictures[index]
        with torch.no_grad():
            logits = twins.torch(as_torch(image[None], twins.ours.config.standardise))[0].numpy()
        label = int(logits.argmax())
        found = ledger(twins.ours, image, target(label), black=black)
        assert abs(found.total - logits[label]) < 1e-4
        if black:
            assert np.abs(found.contributions[image == 0]).max(initial=0) < 1e-6


def test_two_ledgers_differ_by_the_ledger_of_the_difference(net: Twins, pictures):
    """ "Shirt rather than T-shirt" is the one ledger minus the other."""
    one, other, both = (
        ledger(net.ours, pictures[7], wanted, black=False) for wanted in (target(6), target(0), target(6, 0))
    )
    np.testing.assert_allclose(both.contributions, one.contributions - other.contributions, atol=1e-6)
    assert both.value == pytest.approx(one.value - other.value, abs=1e-5)
    assert both.constant == pytest.approx(one.constant - other.constant, abs=1e-5)


def test_the_sum_predicts_until_something_switches(net: Twins, pictures):
    """Erase pixels one by one: as long as no ReLU and no pool chooses otherwise the output moves by what the ledger says."""
    image, exact, broken = pictures[0], 0, 0
    found = ledger(net.ours, image, target(9), black=True)
    for place in np.flatnonzero(image.ravel())[::7]:
        after = image.copy()
        after.ravel()[place] = 0
        moved = float(net.ours.logits(after[None])[0, 9]) - found.value
        error = abs(moved + found.contributions.ravel()[place])
        switches = attribution.switched(net.ours, image, after)
        if not switches:
            assert error < 1e-4
            exact += 1
        broken += error > 1e-3
        assert not (error > 1e-3 and not switches)
    assert exact
    assert broken, "no erased pixel broke the sum: this test has shown nothing"


def test_integrated_gradients_add_up_to_the_difference_from_black(net: Twins, pictures):
    """Completeness: their sum is the output here minus that of a black picture."""
    wanted = target(3)
    black = float(net.ours.logits(np.zeros((1, 28, 28), np.uint8))[0] @ wanted)
    for image in pictures[:5]:
        here = float(net.ours.logits(image[None])[0] @ wanted)
        total = attribution.integrated_gradients(net.ours, image, wanted, steps=200).sum()
        assert total == pytest.approx(here - black, abs=0.02 * max(1, abs(here - black)))


def test_occlusion_measures_what_covering_does(twins: Twins, pictures):
    """The value at a pixel is the fall of the output when a square around it is black, as torch computes it."""
    if twins.ours.config.architecture == "wide":
        pytest.skip("784 pictures through 8.9 million weights take a minute")
    image, wanted = pictures[1], target(2)
    found = attribution.occlusion(twins.ours, image, wanted)
    for row, column in ((1, 1), (13, 10), (25, 25)):
        covered = image.copy()
        covered[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] = 0
        both = as_torch(np.stack([image, covered]), twins.ours.config.standardise)
        with torch.no_grad():
            whole, left = twins.torch(both)[:, 2].tolist()
        assert found[row, column] == pytest.approx(whole - left, abs=1e-4)


def test_grad_cam_is_its_papers(net: Twins, pictures):
    """Mean slope times map, summed, cut at 0: from torch's own activations and gradients of the last convolution."""
    image = pictures[3]
    kept: list[torch.Tensor] = []

    def keep(_module, _inputs, output: torch.Tensor) -> None:
        output.retain_grad()
        kept.append(output)

    handle = net.torch.conv2.register_forward_hook(keep)
    net.torch(as_torch(image[None]))[0, 1].backward()
    handle.remove()
    maps = torch.relu(kept[0])[0]
    # the slope by the map after ReLU: recompute from there
    after = maps.detach().clone().requires_grad_()
    x = torch.nn.functional.max_pool2d(after[None], 2).flatten(1)
    net.torch.fc2(torch.relu(net.torch.fc1(x)))[0, 1].backward()
    heat = torch.relu((after.grad.mean((1, 2))[:, None, None] * maps.detach()).sum(0)).numpy()
    found = attribution.grad_cam(net.ours, image, target(1))
    assert found.max() == pytest.approx(float(heat.max()), rel=1e-3, abs=1e-6)
    assert set(np.unique(found.round(5))) <= set(np.unique(heat.astype(np.float64).round(5)))


def test_grad_cam_needs_a_convolution(twins: Twins, pictures):
    """A network without one says so, every other gives a map."""
    if twins.ours.config.architecture in ("linear", "perceptron"):
        with pytest.raises(ValueError, match="needs a convolution"):
            attribution.grad_cam(twins.ours, pictures[0], target(0))
    else:
        assert attribution.grad_cam(twins.ours, pictures[0], target(0)).shape == (28, 28)

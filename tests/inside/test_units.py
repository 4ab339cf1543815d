"""What units look for, the network without them, and how far maps can be trusted: against torch and plain loops."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from fmnist_core.data import dataset
from fmnist_core.inside import trust, units
from fmnist_core.inside.edits import Edits
from fmnist_core.inside.stages import stages
from tests.inside.conftest import Twins, as_torch


def test_the_strongest_pictures_are_torchs(net: Twins, pictures):
    """For a channel: the largest value of its map over 300 pictures and where it is, from torch's own layer."""
    found = units.excitement(net.ours, pictures[:300])["conv2"]
    with torch.no_grad():
        maps = torch.relu(net.torch.conv2(torch.relu(net.torch.pool(net.torch.conv1(as_torch(pictures[:300]))))))
    for unit in (0, 7, 19):
        largest, places = maps[:, unit].flatten(1).max(1)
        np.testing.assert_allclose(found.values[:, unit], largest.numpy(), atol=1e-4)
        order = found.strongest(unit, 20)
        assert (np.diff(found.values[order, unit]) <= 0).all()
        assert (found.values[order, unit] > 0).all()
        assert found.values[order, unit].min(initial=9) >= np.sort(largest.numpy())[-len(order)] - 1e-4
        apart = largest.topk(2).values
        if apart[0] - apart[1] > 1e-3:
            assert found.places[order[0], unit] == places[largest.argmax()]


def test_a_window_is_all_that_a_value_sees(twins: Twins, pictures):
    """Pixels outside of it change nothing, some inside do."""
    if twins.ours.config.architecture not in ("net", "residual"):
        pytest.skip("the same code")
    rng = np.random.default_rng(0)
    for stage in [stage for stage in stages(twins.ours.nodes) if len(stage.shape) == 3]:
        place = int(rng.integers(stage.shape[1] * stage.shape[2]))
        top, bottom, left, right = units.window(twins.ours, stage, place)
        outside, inside = rng.integers(0, 256, (2, 28, 28), dtype=np.uint8)
        outside[top : bottom + 1, left : right + 1] = pictures[0][top : bottom + 1, left : right + 1]
        kept = pictures[0].copy()
        kept[top : bottom + 1, left : right + 1] = inside[top : bottom + 1, left : right + 1]
        values = twins.ours.values(np.stack([pictures[0], outside, kept]), [stage.output.name])[stage.output.name]
        flat = values.reshape(3, stage.units, -1)[:, :, place]
        np.testing.assert_allclose(flat[1], flat[0], atol=1e-5)
        assert np.abs(flat[2] - flat[0]).max() > 1e-4


def test_muting_one_after_the_other_is_the_edit(twins: Twins, pictures):
    """Accuracy and logits of every tried unit are those of a patient with that one edit."""
    if twins.ours.config.architecture not in ("net", "perceptron", "residual"):
        pytest.skip("the same code, slower")
    images, labels = pictures[:60], dataset.load("test").labels[:60]
    whole = twins.ours.logits(images)
    for layer in units.muted(twins.ours, images, labels):
        for unit in (0, len(layer.accuracy) - 1):
            logits = Edits.parse(f"mute:{layer.layer}:{unit}", twins.ours).patient(twins.ours).logits(images)
            assert layer.accuracy[unit] == pytest.approx((logits.argmax(1) == labels).mean())
            np.testing.assert_allclose(layer.logits[unit], (logits - whole).mean(0), atol=1e-4)


def test_trust_is_measured_by_really_blacking_pixels(net: Twins, pictures):
    """Agreement of the ledger for three pictures, by a loop over pixels through torch and SciPy's Spearman."""
    images = pictures[:3]
    agreements = []
    for image in images:
        lit = np.flatnonzero(image.ravel())
        with torch.no_grad():
            logits = net.torch(as_torch(image[None]))[0]
            predicted = int(logits.argmax())
            blacked = np.repeat(image.reshape(1, -1), len(lit), 0)
            blacked[np.arange(len(lit)), lit] = 0
            effects = logits[predicted] - net.torch(as_torch(blacked.reshape(-1, 28, 28)))[:, predicted]
        x = as_torch(image[None]).requires_grad_()
        net.torch(x)[0, predicted].backward()
        values = (x * x.grad).detach().numpy().ravel()[lit]
        agreements.append(spearmanr(values, effects.numpy()).statistic)
    found = {row.kind: row for row in trust.trust(net.ours, images)}
    assert found["ledger"].agreement == pytest.approx(np.mean(agreements), abs=0.02)
    assert found["ledger"].left < 1
    assert set(found) == {"ledger", "integrated gradients", "occlusion", "gradient", "Grad-CAM"}


def test_spearman_is_scipys():
    """Also where values are equal."""
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 200).astype(float), rng.random(200)
    assert trust.spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert trust.spearman(np.ones(5), other[:5]) == 0


def test_the_twin_is_not_changed_by_looking(net: Twins, pictures):
    """Everything here reads; the weights stay as they were trained."""
    before = copy.deepcopy(dict(net.ours.weights))
    units.excitement(net.ours, pictures[:20])
    list(units.muted(net.ours, pictures[:20], dataset.load("test").labels[:20]))
    Edits.parse("prune:50;quantise:2;mute:conv1:0", net.ours).patient(net.ours).logits(pictures[:5])
    assert all((before[name] == net.ours.weights[name]).all() for name in before)

"""The map's points: principal components as scikit-learn has them, of what torch's last layer reads."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.decomposition import PCA

from fmnist_core.inside.layout import aligned, pixels, principal, seen_by_last_layer
from tests.inside.conftest import Twins, as_torch


def test_the_last_layer_reads_what_torchs_reads(twins: Twins, pictures):
    """The input of the last linear layer, in every architecture."""
    seen: list[np.ndarray] = []
    last = [module for module in twins.torch.modules() if isinstance(module, torch.nn.Linear)][-1]
    handle = last.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0].detach().numpy()))
    with torch.no_grad():
        twins.torch(as_torch(pictures[:3], twins.ours.config.standardise))
    handle.remove()
    np.testing.assert_allclose(seen_by_last_layer(twins.ours, pictures[:3]), seen[0], atol=1e-4, rtol=1e-4)


def test_principal_components_are_scikit_learns(net: Twins, pictures):
    """The same two axes and the same share of the variance, up to sign and one common scale."""
    features = seen_by_last_layer(net.ours, pictures[:500])
    points, share = principal(features)
    theirs = PCA(2, svd_solver="full").fit(features)
    assert abs(share - theirs.explained_variance_ratio_.sum()) < 1e-4
    other = theirs.transform(features)
    for axis in (0, 1):
        assert abs(np.corrcoef(points[:, axis], other[:, axis])[0, 1]) > 0.9999
    assert abs(points.mean()) < 1e-5
    assert (principal(features)[0] == points).all()
    assert principal(pixels(pictures[:50]))[0].shape == (50, 2)


def test_a_turned_map_is_turned_back():
    """Rotation and mirror image are taken out, so that nothing jumps from one moment to the next."""
    points = np.random.default_rng(0).standard_normal((200, 2)).astype(np.float32)
    angle = 2.1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    np.testing.assert_allclose(aligned(points @ turn, points), points, atol=1e-4)
    np.testing.assert_allclose(aligned(points * [-1, 1], points), points, atol=1e-4)


def test_a_layer_that_says_nothing_gives_zeros():
    """A dead layer is no fault."""
    points, share = principal(np.ones((5, 3), np.float32))
    assert (points == 0).all()
    assert share == 0

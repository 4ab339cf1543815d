"""Only what an edit changes is computed again: the same logits as from the beginning."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_core.inside.edits import Edits
from fmnist_core.inside.network import Network
from fmnist_core.inside.rescoring import Kept
from tests.inside.conftest import Twins

SOME = slice(0, 300)


@pytest.fixture(params=[False, True], ids=["as they are", "and mirrored"])
def network(request: pytest.FixtureRequest, net: Twins) -> Network:
    return Network(replace(net.ours.config, flip_test=request.param), net.ours.weights)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mute:conv2:3",
        "mute:conv2:3;mute:conv2:19;mute:fc1:0",
        "mute:fc1:7",
        "copy:fc1:4:5;weight:fc1:6:499:-0.5",
        "weight:fc2:3:10:1.5",
        "bias:fc2:0:-2;bias:fc1:1:0.25",
        "mute:conv2:2;bias:conv2:2:0.3",
        "mute:conv2:2;bias:conv2:2:-0.3;mute:fc1:2",
    ],
)
def test_the_same_as_from_the_beginning(network: Network, pictures, text: str):
    """Whatever the convolutions' kernels are left alone by, alone and together."""
    patient = Edits.parse(text, network).patient(network)
    found = Kept.of(network, pictures[SOME]).logits(patient)
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, patient.logits(pictures[SOME]), atol=1e-4)


@pytest.mark.parametrize(
    "text", ["mute:conv1:0", "kernel:conv2:1:1:sobel", "copy:conv2:1:2", "quantise:4", "cover:left:9", "dropout:40"]
)
def test_what_it_cannot_make_good_it_leaves(network: Network, pictures, text: str):
    """Other kernels, other pictures, dropout: None, never a wrong score."""
    assert Kept.of(network, pictures[SOME]).logits(Edits.parse(text, network).patient(network)) is None

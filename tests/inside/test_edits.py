"""Surgery: each edit does what it says, to torch's own network too, and what does not fit is refused with a sentence."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from fmnist_core.inside.edits import EditError, Edits, quantised
from fmnist_core.settings.config import TrainingConfig
from tests.inside.conftest import Twins, as_torch


def after(twins: Twins, text: str):
    return Edits.parse(text, twins.ours).patient(twins.ours)


def torch_after(twins: Twins, weights) -> torch.nn.Module:
    net = copy.deepcopy(twins.torch)
    state = net.state_dict()
    net.load_state_dict(state | {name: torch.tensor(value) for name, value in weights.items() if name in state})
    return net.eval()


@pytest.mark.parametrize("text", ["mute:conv1:3", "mute:conv2:19", "mute:fc1:7"])
def test_a_muted_unit_puts_out_nothing(net: Twins, pictures, text: str):
    """After ReLU its values are 0 in every picture, those of its neighbours what they were."""
    _, layer, unit = text.split(":")
    stage = {"conv1": "relu1", "conv2": "relu2", "fc1": "relu3"}[layer]
    before, now = net.ours.values(pictures[:20])[stage], after(net, text).network.values(pictures[:20])[stage]
    assert np.abs(now[:, int(unit)]).max() == 0
    if layer == "conv1":
        others = [n for n in range(10) if n != int(unit)]
        assert (now[:, others] == before[:, others]).all()


def test_muting_reaches_behind_the_normalisation(twins: Twins, pictures):
    """Where normalisation follows, its shift goes too: else a muted channel would put out a constant."""
    layers = [node.module for node in twins.ours.nodes if node.op == "convolution"][:-1]
    if twins.ours.config.architecture not in ("residual", "deep"):
        pytest.skip("no normalisation right behind a convolution, or too slow")
    now = after(twins, f"mute:{layers[-1]}:1").network
    reader = next(
        node for node in now.nodes if node.op == "relu" and node.name.startswith(layers[-1].rsplit(".", 1)[0])
    )
    assert np.abs(now.values(pictures[:3])[reader.name][:, 1]).max() == 0


def test_torch_agrees_about_a_patient(net: Twins, pictures):
    """The same changed weights in torch give the same logits, whatever was done."""
    text = (
        "copy:conv1:2:5;kernel:conv1:0:0:1,0,-1,2,0,-2,1,0,-1;kernel:conv2:3:4:blur;weight:fc2:6:12:0.5;"
        "bias:conv2:3:-0.25;mute:fc1:9;quantise:8;prune:20"
    )
    patient = after(net, text)
    theirs = torch_after(net, patient.network.weights)
    with torch.no_grad():
        np.testing.assert_allclose(patient.logits(pictures[:30]), theirs(as_torch(pictures[:30])).numpy(), atol=1e-4)
    weights = patient.network.weights
    assert (weights["conv1.weight"][5] == weights["conv1.weight"][2]).all()
    assert (weights["fc1.weight"][9] == 0).all()
    assert len(np.unique(weights["conv1.weight"])) <= 2**8 - 1


def test_pruning_takes_the_smallest(net: Twins):
    """Of all kernels and matrices together, the wanted share is 0, and no smaller weight is left."""
    before, now = net.ours.weights, after(net, "prune:60").network.weights
    names = [name for name in before if name.endswith(".weight")]
    gone = np.concatenate([np.abs(before[n])[now[n] == 0].ravel() for n in names])
    left = np.concatenate([np.abs(before[n])[now[n] != 0].ravel() for n in names])
    assert len(gone) / (len(gone) + len(left)) == pytest.approx(0.6, abs=1e-3)
    assert gone.max() <= left.min()
    assert all((now[n] == before[n]).all() for n in before if n.endswith(".bias"))


@pytest.mark.parametrize(("bits", "levels"), [(8, 255), (4, 15), (2, 3)])
def test_quantised_weights_have_few_values(bits: int, levels: int):
    """As many as the bits allow, evenly spaced, 0 among them, none further off than half a step."""
    tensor = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
    found = quantised(tensor, bits)
    assert len(np.unique(found)) <= levels
    assert 0 in found
    step = np.abs(tensor).max() / (2 ** (bits - 1) - 1)
    assert np.abs(found - tensor).max() <= step / 2 + 1e-6


def test_covering_hides_pixels_of_every_picture(net: Twins, pictures):
    """A border of two and a square of six: those pixels are black, all others are as they were."""
    seen = after(net, "cover:border:2;cover:square:6").pictures(pictures[:50])
    inner = np.zeros((28, 28), bool)
    inner[2:26, 2:26] = True
    inner[11:17, 11:17] = False
    assert (seen[:, ~inner] == 0).all()
    assert (seen[:, inner] == pictures[:50, inner]).all()


def test_dropout_in_testing_leaves_out_its_share(net: Twins, pictures):
    """The mean over many pictures stays near the whole network's, each picture's logits differ, and do so every time alike."""
    patient, whole = after(net, "dropout:40"), net.ours.logits(pictures[:500])
    logits = patient.logits(pictures[:500])
    assert (logits == patient.logits(pictures[:500])).all()
    assert np.abs(logits - whole).mean() > 0.1
    assert np.abs((logits - whole).mean(0)).max() < 0.5 * np.abs(logits - whole).mean()


def test_the_list_comes_back_from_its_address(net: Twins):
    """What is written into an address reads the same, with a sentence for each line; nothing is an empty list."""
    text = "mute:conv1:3;kernel:conv1:0:0:sobel;cover:left:14;quantise:4"
    edits = Edits.parse(text, net.ours)
    assert edits.text == text
    assert edits.edits[0].words == "conv1: channel 3 muted"
    assert edits.changes_weights
    assert not Edits.parse("cover:left:3;dropout:10", net.ours).changes_weights
    assert Edits.parse("", net.ours) == Edits()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mute:conv9:3", "no such layer"),
        ("mute:fc2:3", "no such layer"),
        ("mute:conv1:10", "from 0 to 9"),
        ("mute:conv1:٣", "from 0 to 9"),
        ("mute:conv1", "must read mute:layer:unit"),
        ("kernel:conv1:0:0:1,2,3", "has 9 numbers, not 3"),
        ("kernel:conv1:0:0:1,2,3,4,5,6,7,8,nan", "is not a number"),
        ("kernel:conv1:0:0:1,2,3,4,5,6,7,8,1e9", "from -100 to 100"),
        ("weight:fc2:6:12:", "is not a number"),
        ("cover:left:28", "from 1 to 27"),
        ("quantise:3", "8, 4, 2 bits"),
        ("prune:100", "from 1 to 99"),
        ("explode:1", "is no edit"),
        (";".join(["mute:conv1:1"] * 31), "30 edits at most"),
    ],
)
def test_what_does_not_fit_is_refused(net: Twins, text: str, words: str):
    """An address can say anything: the sentence names what is wrong and the way out."""
    with pytest.raises(EditError, match=words):
        Edits.parse(text, net.ours)


def test_a_network_without_dropout_says_so(twins: Twins):
    """Only those that were trained with it can have it on."""
    if twins.ours.config.architecture in ("net", "perceptron"):
        assert Edits.parse("dropout:40", twins.ours).edits
    else:
        with pytest.raises(EditError, match="no dropout"):
            Edits.parse("dropout:40", twins.ours)


def test_mirrored_patients_keep_their_measure(net: Twins, pictures):
    """A run that averages over mirror images still does after an edit."""
    from fmnist_core.inside.network import Network

    mirrored = Network(TrainingConfig(flip_test=True), net.ours.weights)
    patient = Edits.parse("mute:conv1:1", mirrored).patient(mirrored)
    one = after(net, "mute:conv1:1")
    both = (one.logits(pictures[:9]) + one.logits(np.ascontiguousarray(pictures[:9, :, ::-1]))) / 2
    np.testing.assert_allclose(patient.logits(pictures[:9]), both, atol=1e-5)

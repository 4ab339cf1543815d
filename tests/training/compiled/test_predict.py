"""Predictions in C and in NumPy against PyTorch's, on real images."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import evaluate
from fmnist_core.networks.net import Net
from fmnist_core.training.compiled import predict
from fmnist_core.training.compiled.predict import activations


def net_of(*widths: int, scale: float = 3.0) -> tuple[Net, dict]:
    """A network whose logits differ from picture to picture, and its weights."""
    torch.manual_seed(7)
    net = Net(*widths)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(scale)
    return net, {name: tensor.numpy() for name, tensor in net.state_dict().items()}


@pytest.fixture(params=["C", "NumPy"])
def way(request, monkeypatch) -> str:
    if request.param == "NumPy":
        monkeypatch.setenv("FMNIST_COMPILED", "0")
    assert (predict.compiled() is not None) == (request.param == "C")
    return request.param


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.asarray(dataset.load("test").images)


@cache
def wanted_logits(standardise: bool, flip: bool) -> np.ndarray:
    """PyTorch's logits of all test images, once for both ways."""
    pictures = dataset.load("test").images
    nothing = np.zeros(len(pictures))
    return evaluate(net_of()[0], torch.tensor(pictures), nothing, standardise=standardise, flip=flip).logits


@pytest.mark.parametrize(("standardise", "flip"), [(False, False), (True, False), (False, True), (True, True)])
def test_all_test_images_as_pytorch_sees_them(way, pictures, standardise, flip):
    """Float32's rounding apart, the same logits; the same class wherever the two best are further apart than that.

    In NumPy, which takes five times as long, 2,000 of them.
    """
    _net, weights = net_of()
    count = len(pictures) if way == "C" else 2000
    wanted = wanted_logits(standardise, flip)[:count]
    logits = predict.predict(weights, pictures[:count], standardise=standardise, flip=flip)
    difference = np.abs(logits - wanted).max()
    assert difference < 2e-6 * np.abs(wanted).max()
    ranked = np.sort(wanted, axis=1)
    is_clear = ranked[:, -1] - ranked[:, -2] > 2 * difference
    assert is_clear.mean() > 0.99
    assert (logits.argmax(1) == wanted.argmax(1))[is_clear].all()


@pytest.mark.parametrize("widths", [(1, 1, 1), (3, 7, 13), (17, 33, 70), (65, 129, 513)])
def test_every_width_and_the_hidden_layer(way, pictures, widths):
    """Widths that fill no vector, those that fill several, and those that training leaves to PyTorch."""
    net, weights = net_of(*widths, scale=1.0)
    logits, hidden = activations(weights, pictures[:77])
    with torch.inference_mode():
        x = torch.tensor(pictures[:77])[:, None] / 255
        x = net.pool(net.conv2(net.pool(net.conv1(x).relu())).relu())
        wanted = net.fc1(x.flatten(1)).relu()
        torch.testing.assert_close(torch.tensor(hidden), wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(torch.tensor(logits), net.fc2(wanted), rtol=1e-4, atol=1e-5)


def test_neither_threads_nor_neighbours_change_a_bit(pictures):
    """In C, a picture alone and among others, by one thread and by several, has the same logits."""
    _net, weights = net_of()
    assert predict.compiled()
    whole = predict.predict(weights, pictures[:310], threads=1)
    assert whole.tobytes() == predict.predict(weights, pictures[:310], threads=3).tobytes()
    assert whole[5:6].tobytes() == predict.predict(weights, pictures[5:6]).tobytes()
    assert predict.predict(weights, pictures[:0]).shape == (0, 10)


def test_what_is_not_finite_comes_through(way, pictures):
    """Weights that are not numbers give logits that are none, as in PyTorch."""
    for name in predict.NAMES:
        _net, weights = net_of()
        weights[name].flat[0] = np.nan
        assert np.isnan(predict.predict(weights, pictures[:60])).any(), name


def test_what_does_not_fit_is_refused(way, pictures):
    """Nothing outside of an array is ever read."""
    _net, weights = net_of()
    with pytest.raises(ValueError, match=r"images must be \(N, 28, 28\) uint8"):
        predict.predict(weights, pictures.astype(np.float32))
    with pytest.raises(ValueError, match=r"fc1.weight must be \(50, 500\)"):
        predict.predict(weights | {"fc1.weight": weights["fc1.weight"][:, :-1]}, pictures)
    with pytest.raises(ValueError, match=r"conv2.bias must be .* float64"):
        predict.predict(weights | {"conv2.bias": weights["conv2.bias"].astype(np.float64)}, pictures)
    with pytest.raises(ValueError, match=r"fc2\.bias is missing"):
        predict.predict({name: weights[name] for name in predict.NAMES[:-1]}, pictures)

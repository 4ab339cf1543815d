"""Compiled steps against PyTorch's own, on real images."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fmnist_core.networks.net import Net, QuickNet
from fmnist_core.training.compiled import engine, library

LEVELS = torch.arange(256) / 255


def new(widths=(10, 20, 50), dropout=0.4, learning_rate=0.01, **options) -> tuple[Net, torch.optim.SGD]:
    torch.manual_seed(3)
    net = QuickNet(*widths, dropout).to(memory_format=torch.channels_last)
    return net, torch.optim.SGD(net.parameters(), learning_rate, **({"momentum": 0.9} | options))


def steps_of_torch(net, optimizer, images, order, batch_size, rates, levels=LEVELS, smoothing=0.0) -> list[float]:
    """The notebook's six steps."""
    losses = []
    for batch, rate in zip(torch.from_numpy(order).split(batch_size), rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        logits = net(levels[images[0][batch].int()][:, None])
        loss = F.cross_entropy(logits, images[1][batch], label_smoothing=smoothing)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def compare(compiled, images, count, batch_size, *, levels=LEVELS, smoothing=0.0, rate=0.01, **settings) -> None:
    order = np.random.default_rng(0).permutation(len(images[0]))[:count]
    rates = np.linspace(rate, rate / 2, -(-count // batch_size)).tolist()
    net, optimizer = new(**settings)
    theirs = steps_of_torch(net, optimizer, images, order, batch_size, rates, levels, smoothing)
    generator = torch.get_rng_state()
    ours_net, ours_optimizer = new(**settings)
    ours = compiled.take_steps(
        ours_net,
        ours_optimizer,
        *images,
        order,
        batch_size=batch_size,
        levels=levels,
        learning_rates=rates,
        label_smoothing=smoothing,
    )
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)
    assert torch.get_rng_state().equal(generator)
    for mine, their in zip(ours_net.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, their, rtol=1e-3, atol=1e-4)
    for mine, their in zip(ours_net.parameters(), net.parameters(), strict=True):
        kept, wanted = (o.state[p].get("momentum_buffer") for o, p in ((ours_optimizer, mine), (optimizer, their)))
        assert (kept is None) == (wanted is None)
        if kept is not None:
            torch.testing.assert_close(kept, wanted, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.4, 0.0])
def test_a_hundred_and_more_steps_of_the_tutorial(compiled, images, dropout):
    """Same weights, images and dropout in: same losses, weights, momentum and generator out, but for rounding.

    At higher rates rounding soon decides who wins in pooling: then PyTorch's own memory layouts differ as much.
    """
    compare(compiled, images, 3000, 20, dropout=dropout, rate=0.001)


@pytest.mark.parametrize("batch_size", [1, 3, 64, 512])
def test_every_batch_size_and_a_smaller_last_batch(compiled, images, batch_size):
    """The last batch of an epoch has what is left; its mean is over that."""
    compare(compiled, images, batch_size * 3 + 1 if batch_size > 1 else 30, batch_size)


@pytest.mark.parametrize("widths", [(1, 1, 1), (3, 7, 13), (16, 32, 128), (17, 33, 70), (64, 128, 30)])
def test_every_width(compiled, images, widths):
    """Widths that fill no vector, and those that fill several."""
    compare(compiled, images, 160, 16, widths=widths)


@pytest.mark.parametrize(
    "settings",
    [
        {"momentum": 0.0},
        {"momentum": 0.95, "nesterov": True, "weight_decay": 5e-3},
        {"momentum": 0.0, "weight_decay": 0.1},
        {"smoothing": 0.1},
        {"levels": (LEVELS - 0.286) / 0.353},
    ],
    ids=["plain", "nesterov", "decay", "smoothing", "standardised"],
)
def test_every_setting(compiled, images, settings):
    """Momentum, Nesterov's, weight decay, label smoothing, and background that is not zero to the network."""
    compare(compiled, images, 1000, 20, **settings)


def test_threads_do_not_change_a_bit(compiled, images):
    """Chunks of a batch are summed up in their order, whoever computed them."""
    found = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        net, optimizer = new()
        order = np.arange(900)
        losses = compiled.take_steps(
            net, optimizer, *images, order, batch_size=20, levels=LEVELS, learning_rates=[0.05] * 45
        )
        torch.set_num_threads(before)
        found.append((losses.tobytes(), *(p.detach().numpy().tobytes() for p in net.parameters())))
    assert found[0] == found[1] == found[2]


def test_where_a_call_ends_does_not_change_a_bit(compiled, images):
    """Steps in one call or in several: a run can be interrupted after any of them."""
    order, rates = np.arange(600), [0.05] * 30
    whole, optimizer = new()
    losses = compiled.take_steps(whole, optimizer, *images, order, batch_size=20, levels=LEVELS, learning_rates=rates)
    parts, optimizer = new()
    some = [
        compiled.take_steps(
            parts, optimizer, *images, order[cut], batch_size=20, levels=LEVELS, learning_rates=rates[:count]
        )
        for cut, count in ((slice(0, 20), 1), (slice(20, 360), 17), (slice(360, 600), 12))
    ]
    assert losses.tobytes() == np.concatenate(some).tobytes()
    assert all(a.equal(b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


def test_first_of_equals_in_pooling(compiled, images):
    """Pictures of one grey level make every pooling window a tie: the gradient goes to the first, as in PyTorch."""
    flat = torch.arange(0, 256, 2, dtype=torch.uint8)[:, None, None].expand(-1, 28, 28).contiguous()
    compare(compiled, (flat, torch.arange(128) % 10), 128, 16, dropout=0.0, rate=0.1)


def test_divergence_is_seen(compiled, images):
    """A learning rate that blows the weights up gives a loss that is not finite, and so it stays."""
    net, optimizer = new(learning_rate=10.0)
    losses = compiled.take_steps(
        net, optimizer, *images, np.arange(2000), batch_size=20, levels=LEVELS, learning_rates=[1e4] * 100
    )
    assert not np.isfinite(losses[-1])
    first = int(np.isfinite(losses).argmin())
    assert not np.isfinite(losses[first:]).any()


@pytest.mark.parametrize("name", ["conv1.weight", "conv2.bias", "fc1.weight", "fc2.weight"])
def test_a_weight_that_is_not_a_number_is_seen(compiled, images, name):
    """One nan among the weights makes the loss nan, as in PyTorch."""
    net, optimizer = new(dropout=0.0)
    with torch.no_grad():
        net.get_parameter(name).flatten()[0] = torch.nan
    losses = compiled.take_steps(
        net, optimizer, *images, np.arange(60), batch_size=20, levels=LEVELS, learning_rates=[0.01] * 3
    )
    assert np.isnan(losses[-1])


def test_orders_and_rates_that_do_not_fit_are_refused(compiled, images):
    """Nothing outside the images is ever read."""
    net, optimizer = new()
    for order, rates in ((np.array([0, 4000]), [0.1]), (np.array([-1]), [0.1]), (np.arange(40), [0.1])):
        with pytest.raises(ValueError, match=r"order must|learning rates"):
            compiled.take_steps(net, optimizer, *images, order, batch_size=20, levels=LEVELS, learning_rates=rates)


def test_what_it_covers():
    """The tutorial's network with SGD on the CPU; everything else goes PyTorch's way."""
    net, optimizer = new()
    assert engine.covers(net, optimizer, torch.device("cpu"))
    assert not engine.covers(net, optimizer, torch.device("cuda"))
    assert not engine.covers(net, torch.optim.Adam(net.parameters()), torch.device("cpu"))
    assert not engine.covers(QuickNet(65), optimizer, torch.device("cpu"))
    assert not engine.covers(torch.nn.Linear(784, 10), optimizer, torch.device("cpu"))


def test_dropout_where_torch_draws_otherwise(compiled, monkeypatch):
    """On a machine where torch has another generator for dropout, torch itself draws."""
    torch.manual_seed(1)
    wanted = compiled.draw_kept(50, 13, 0.3, 20)
    monkeypatch.setattr(engine, "_draws_like_torch", lambda _engine: False)
    torch.manual_seed(1)
    assert compiled.draw_kept(50, 13, 0.3, 20).equal(wanted)


@pytest.mark.parametrize("before", [0, 1, 622, 623, 624])
@pytest.mark.parametrize("count", [1, 311, 1000])
def test_dropout_wherever_the_generator_stands(compiled, before, count):
    """However many of torch's 624 random words have been drawn before: the same units as `F.dropout` keeps, and the same state."""
    torch.manual_seed(2)
    torch.rand(before)
    state = torch.get_rng_state()
    wanted = torch.empty(count, 1, dtype=torch.uint8).copy_(torch.empty(count, 1).bernoulli_(0.6))
    after = torch.get_rng_state()
    torch.set_rng_state(state)
    assert compiled.draw_kept(count, 1, 0.4, count).equal(wanted)
    assert torch.get_rng_state().equal(after)


def test_fields_are_those_of_the_source():
    """The structure that Python fills in has as many bytes as the one that C reads."""
    assert ctypes.sizeof(library.Job) == 8 * (6 + 6 + 8 + 8 + 1 + 4 + 1)

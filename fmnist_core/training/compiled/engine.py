"""Calls the compiled training step: the same steps as `training.train` takes with PyTorch, many in one call.

It works on the state's own weights and momentum buffers, and draws dropout from torch's generator, so that a run can
change between this and PyTorch's way after any step.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from fmnist_core.networks.net import Net, QuickNet
from fmnist_core.training.compiled import library, predict
from fmnist_core.training.compiled.library import NotCompiled

log = logging.getLogger(__name__)

WIDEST = {"conv1_channels": 64, "conv2_channels": 128, "hidden_units": 512}
"""Above these, one image's values no longer fit the processor's caches, and PyTorch's products of matrices win."""
TOLERANCE = 1e-4
"""Largest relative difference to PyTorch that the check lets pass: a hundred times float32's rounding."""


@dataclass(frozen=True, eq=False)
class Engine:
    """A loaded library."""

    library: ctypes.CDLL

    def take_steps(
        self,
        net: Net,
        optimizer: torch.optim.SGD,
        images: torch.Tensor,
        labels: torch.Tensor,
        order: npt.NDArray[np.int64],
        *,
        batch_size: int,
        levels: torch.Tensor,
        learning_rates: Sequence[float],
        label_smoothing: float = 0.0,
        threads: int | None = None,
        generator: torch.Tensor | None = None,
    ) -> npt.NDArray[np.float32]:
        """Train on images[order], `batch_size` at a time; the loss of each step, (steps,) float32.

        `images`: (N, 28, 28) uint8; `labels`: (N,) int64; `levels`: (256,) float32, what the network sees for each
        grey level; `learning_rates`: one for each step. Momentum and weight decay are the optimizer's. `threads`: all of
        torch's by default. `generator`: the state of a generator for the dropout, which moves on, instead of torch's own:
        then several networks can be trained at once, each by one thread of Python.
        """
        group = optimizer.param_groups[0]
        steps = -(-len(order) // batch_size)
        rates, losses = np.array(learning_rates, np.float32), np.empty(steps, np.float32)
        if rates.shape != losses.shape:
            raise ValueError(f"need {steps:,} learning rates, one for each step, got {len(rates):,}")
        if len(order) and not 0 <= order.min() <= order.max() < len(images):
            raise ValueError(f"order must name images from 0 to {len(images) - 1:,}")
        order, images, labels = np.ascontiguousarray(order, np.int64), images.contiguous(), labels.contiguous()
        parameters = [parameter.detach() for parameter in net.parameters()]
        momenta = [_momentum(optimizer, parameter) for parameter in net.parameters()]
        ours = [_as_rows(tensor) for tensor in (*parameters, *momenta)]
        dropout, hidden = net.fc1_drop.p, net.fc1.out_features
        kept = self.draw_kept(len(order), hidden, dropout, batch_size, generator) if dropout else None
        job = library.Job(
            net.conv1.out_channels,
            net.conv2.out_channels,
            hidden,
            batch_size,
            len(order),
            threads or torch.get_num_threads(),
            images.data_ptr(),
            labels.data_ptr(),
            order.ctypes.data,
            levels.data_ptr(),
            kept.data_ptr() if kept is not None else None,
            rates.ctypes.data,
            (ctypes.c_void_p * 8)(*(tensor.data_ptr() for tensor in ours[:8])),
            (ctypes.c_void_p * 8)(*(tensor.data_ptr() for tensor in ours[8:])),
            losses.ctypes.data,
            dropout,
            label_smoothing,
            group["momentum"],
            group["weight_decay"],
            group["nesterov"],
        )
        if self.library.train_steps(ctypes.byref(job)):
            raise MemoryError("not enough memory for a batch: start again with a smaller batch size")
        for tensor, rows in zip((*parameters, *momenta), ours, strict=True):
            if rows.data_ptr() != tensor.data_ptr():  # a copy in another memory layout
                tensor.copy_(rows.permute(0, 3, 1, 2))
        return losses

    def draw_kept(
        self, images: int, hidden: int, dropout: float, batch_size: int, generator: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Which units dropout keeps, (images, hidden) uint8: what `F.dropout` draws for one batch after another.

        Moves torch's generator on as `F.dropout` does, or the one whose state is given.
        """
        kept = torch.empty(images, hidden, dtype=torch.uint8)
        state = torch.get_rng_state() if generator is None else generator
        if _draws_like_torch(self):
            self._draw(state, 1 - dropout, kept)
        else:
            theirs = torch.Generator()
            theirs.set_state(state)
            for some in torch.split(kept, batch_size):
                some.copy_(torch.empty(some.shape).bernoulli_(1 - dropout, generator=theirs))
            state.copy_(theirs.get_state())
        if generator is None:
            torch.set_rng_state(state)
        return kept

    def _draw(self, generator: torch.Tensor, keep: float, kept: torch.Tensor) -> None:
        self.library.draw_kept(
            ctypes.c_void_p(generator.data_ptr()),
            ctypes.c_int64(kept.numel()),
            ctypes.c_double(keep),
            ctypes.c_void_p(kept.data_ptr()),
        )


def find() -> Engine | None:
    """The compiled step, where there is one for this machine. Never compiles."""
    if not (path := library.find()):
        return None
    try:
        return load(path)
    except NotCompiled:
        log.exception("training goes PyTorch's way")
        return None


def prepare() -> Engine | None:
    """The compiled step, compiled and checked first where that was not done yet: seconds. None, with a line in the log, where it cannot be had."""
    if not library.is_wanted():
        return None
    try:
        return load(library.build(lambda path: check(load(path))))
    except NotCompiled as error:
        log.warning("no compiled training step, training goes PyTorch's way: %s", error)
        return None


@cache
def load(path: Path) -> Engine:
    """Raises NotCompiled where the system cannot load it."""
    return Engine(library.load(path))


def covers(net: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> bool:
    """Whether the compiled step can train this network with this optimizer here."""
    return (
        covers_network(net, device)
        and type(optimizer) is torch.optim.SGD
        and len(optimizer.param_groups) == 1
        and optimizer.param_groups[0]["dampening"] == 0
    )


def covers_network(net: nn.Module, device: torch.device) -> bool:
    """Whether this network here is computed sooner in C."""
    return (
        device.type == "cpu"
        and isinstance(net, Net)
        and net.conv1.out_channels <= WIDEST["conv1_channels"]
        and net.conv2.out_channels <= WIDEST["conv2_channels"]
        and net.fc1.out_features <= WIDEST["hidden_units"]
    )


def predicts(net: nn.Module, device: torch.device) -> bool:
    """Whether there are compiled predictions for this network on this machine. Never compiles."""
    return covers_network(net, device) and predict.compiled() is not None


def check(engine: Engine) -> None:
    """Raises NotCompiled where two steps, or predictions, turn out otherwise than PyTorch's."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        images = torch.randint(0, 256, (12, 28, 28), dtype=torch.uint8)
        images[:, :14, :14] = 0  # background
        labels = torch.randint(0, 10, (12,))
        net, order = QuickNet(7, 11, 19).to(memory_format=torch.channels_last), np.arange(12)
        ours = QuickNet(7, 11, 19).to(memory_format=torch.channels_last)
        ours.load_state_dict(net.state_dict())
        levels = torch.arange(256) / 255
        generator = torch.get_rng_state()
        losses = engine.take_steps(
            ours,
            torch.optim.SGD(ours.parameters(), 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
            images,
            labels,
            order,
            batch_size=6,
            levels=levels,
            learning_rates=(0.1, 0.1),
            label_smoothing=0.1,
        )
        torch.set_rng_state(generator)
        optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
        for batch, found in zip((slice(0, 6), slice(6, 12)), losses, strict=True):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(levels[images[batch].int()][:, None]), labels[batch], label_smoothing=0.1)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if not abs(float(found) / loss.item() - 1) < TOLERANCE:
                raise NotCompiled(f"a compiled step gave the loss {found}, PyTorch's {loss.item()}")
    for (name, theirs), mine in zip(net.named_parameters(), ours.parameters(), strict=True):
        if not torch.allclose(mine, theirs, rtol=TOLERANCE, atol=TOLERANCE / 10):
            raise NotCompiled(f"after two compiled steps {name} is not what PyTorch makes it")
    weights = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    logits, _hidden = predict.with_library(engine.library, weights, images.numpy(), predict.LEVELS)
    with torch.inference_mode():
        wanted = net.eval()(images.float()[:, None] / 255)
    if not torch.allclose(torch.from_numpy(logits), wanted, rtol=TOLERANCE, atol=TOLERANCE):
        raise NotCompiled("compiled predictions are not what PyTorch makes them")


@cache
def _draws_like_torch(engine: Engine) -> bool:
    """Whether torch draws dropout as `draw_kept` does; on Intel's processors it may use a generator of Intel's."""
    theirs, state = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1).get_state()
    kept = torch.empty(1000, dtype=torch.uint8)
    engine._draw(state, 0.6, kept)
    wanted = torch.empty(1000).bernoulli_(0.6, generator=theirs)
    return bool((kept == wanted).all()) and state.equal(theirs.get_state())


def _momentum(optimizer: torch.optim.SGD, parameter: nn.Parameter) -> torch.Tensor:
    """The parameter's momentum buffer; zeros where no step was taken, kept only where the optimizer would keep it."""
    buffer: torch.Tensor | None = optimizer.state[parameter].get("momentum_buffer")
    if buffer is None:
        buffer = torch.zeros_like(parameter, requires_grad=False)
        if optimizer.param_groups[0]["momentum"]:
            optimizer.state[parameter]["momentum_buffer"] = buffer
    return buffer


def _as_rows(tensor: torch.Tensor) -> torch.Tensor:
    """Convolutions as (out, y, x, in), everything in one piece of memory; shares it with `tensor` where that is so already."""
    return tensor.permute(0, 2, 3, 1).contiguous() if tensor.ndim == 4 else tensor.contiguous()

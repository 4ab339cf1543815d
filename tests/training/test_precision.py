"""What is decided for a GPU and for a processor with units for matrices, decided here without them."""

from __future__ import annotations

import contextlib

import pytest
import torch

from fmnist_core.training import precision as module
from fmnist_core.training.precision import multiplies_bfloat16, precision


@pytest.mark.filterwarnings("ignore:.*CUDA is not available.*")
@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_bfloat16_only_where_it_pays(monkeypatch, kind: str):
    """Large networks where bfloat16 is multiplied in hardware; the tutorial's, and all elsewhere, stay in float32."""
    device = torch.device(kind)
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda device: device == kind)
    found = precision(device, "residual")
    assert isinstance(found, torch.autocast)
    assert (found.device, found.fast_dtype) == (kind, torch.bfloat16)
    assert isinstance(precision(device, "net"), contextlib.nullcontext)
    assert isinstance(precision(torch.device("mps"), "residual"), contextlib.nullcontext)
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda device: False)
    assert isinstance(precision(device, "residual"), contextlib.nullcontext)


def test_what_the_hardware_says(monkeypatch):
    """Emulation does not count, and a processor that says nothing of AMX has none."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not multiplies_bfloat16("cuda")
    for told, expected in (({"amx_bf16": True}, True), ({"amx_bf16": False}, False), ({}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda told=told: told)
        assert multiplies_bfloat16("cpu") is expected
    assert not multiplies_bfloat16("mps")


def test_one_context_serves_every_step(monkeypatch):
    """It is entered once per step, and can be entered again; within it products are bfloat16, without it float32."""
    monkeypatch.setattr(module, "multiplies_bfloat16", lambda device: True)
    context = precision(torch.device("cpu"), "deep")
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    for _step in range(2):
        with context:
            assert layer(x).dtype is torch.bfloat16
        assert layer(x).dtype is torch.float32

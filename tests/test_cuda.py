"""What is decided for a GPU, decided here without one."""

from __future__ import annotations

import contextlib

import pytest
import torch

from fmnist_core.cuda import precision


@pytest.mark.filterwarnings("ignore:.*CUDA is not available.*")
def test_bfloat16_only_where_it_pays(monkeypatch):
    """Large networks on a GPU that computes with bfloat16; the tutorial's, and all on the CPU, stay in float32."""
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_options: True)
    found = precision(cuda, "residual")
    assert isinstance(found, torch.autocast)
    assert found.fast_dtype is torch.bfloat16
    assert isinstance(precision(cuda, "net"), contextlib.nullcontext)
    assert isinstance(precision(cpu, "residual"), contextlib.nullcontext)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_options: False)
    assert isinstance(precision(cuda, "residual"), contextlib.nullcontext)


def test_one_context_serves_every_step():
    """It is entered once per step, and can be entered again."""
    context = precision(torch.device("cpu"), "residual")
    for _step in range(2):
        with context:
            assert torch.ones(1).dtype is torch.float32

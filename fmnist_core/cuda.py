"""What is done otherwise on an NVIDIA GPU: one switch. Written without one to try it on."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from fmnist_core.recipes import Architecture

WIDE: tuple[Architecture, ...] = ("residual", "deep", "wide")
"""Networks large enough for tensor cores to count. The tutorial's stay in float32, and with them their losses."""


def precision(device: torch.device, architecture: Architecture) -> AbstractContextManager[object]:
    """Around the forward pass and the loss: bfloat16 for convolutions and products where the GPU computes with it.

    Weights, gradients and the optimizer stay in float32; bfloat16 has float32's range, so that no loss needs scaling.
    """
    if device.type == "cuda" and architecture in WIDE and torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.autocast("cuda", torch.bfloat16)
    return nullcontext()

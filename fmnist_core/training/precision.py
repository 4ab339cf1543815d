"""Where convolutions and products are computed with fewer digits, because the hardware is quicker with them: one switch.

On NVIDIA GPUs it was written without one to try it on.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from fmnist_core.settings.config import Architecture

WIDE: tuple[Architecture, ...] = ("residual", "deep", "wide")
"""Networks large enough for units that multiply matrices to count. The tutorial's stay in float32, and with them their losses."""


def precision(device: torch.device, architecture: Architecture) -> AbstractContextManager[object]:
    """Around the forward pass and the loss: bfloat16 for convolutions and products where the hardware computes with it.

    Weights, gradients and the optimizer stay in float32; bfloat16 has float32's range, so that no loss needs scaling.
    """
    if architecture in WIDE and multiplies_bfloat16(device.type):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def multiplies_bfloat16(device: str) -> bool:
    """Whether it has units for matrices of bfloat16: tensor cores, or AMX on Intel's processors.

    Processors without them are two to three times slower with bfloat16 than with float32.
    """
    match device:
        case "cuda":
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
        case "cpu":
            return bool(torch.cpu.get_capabilities().get("amx_bf16"))
    return False

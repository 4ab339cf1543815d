"""What a machine can compute on."""

from __future__ import annotations

import torch


def find_device(name: str) -> torch.device:
    """The device of that name; "auto" is the first of `available_devices`. Raises ValueError when it is not there."""
    devices = available_devices()
    if name == "auto":
        return torch.device(devices[0])
    if name not in devices:
        raise ValueError(f"This machine has no device {name!r}, only {', '.join(devices)}.")
    return torch.device(name)


def card(device: torch.device) -> str:
    """The GPU's name and memory, such as "NVIDIA H100 80GB HBM3, 79 GB"; empty where none computes, or none is known."""
    if device.type != "cuda":
        return ""
    properties = torch.cuda.get_device_properties(device)
    return f"{properties.name}, {properties.total_memory / 2**30:.0f} GB"


def available_devices() -> tuple[str, ...]:
    """What this machine can compute on, the fastest first; the last is always "cpu"."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    return tuple(name for name, is_there in there.items() if is_there)

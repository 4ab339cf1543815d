"""The settings of a run, and those that have a name."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

Optimizer = Literal["sgd", "adam"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Architecture = Literal["net"]

LIMITS: dict[str, tuple[int, int]] = {
    "batch_size": (1, 60_000),
    "epochs": (1, 200),
    "seed": (0, 2**32 - 1),
    "conv1_channels": (1, 256),
    "conv2_channels": (1, 256),
    "hidden_units": (1, 2048),
}
"""Lowest and highest value of each whole number, for the check below and for the widgets."""

HIGHEST_LEARNING_RATE = 10.0


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides how a run turns out. The defaults are the tutorial's.

    >>> TrainingConfig(epochs=0)
    Traceback (most recent call last):
        ...
    ValueError: epochs must be a whole number from 1 to 200, got 0
    """

    batch_size: int = 20
    """Images per weight update."""
    epochs: int = 20
    """Passes over the 60,000 training images."""
    learning_rate: float = 0.001
    """Step size of the optimizer, above 0, at most 10."""
    momentum: float = 0.9
    """Share of the last step that SGD carries over, in [0, 1). Adam does not use it."""
    optimizer: Optimizer = "sgd"
    """"sgd" or "adam"."""
    dropout: float = 0.4
    """Chance that a hidden unit is left out in a training step, in [0, 1)."""
    seed: int = 0
    """Fixes the initial weights, the order of the images and the dropout."""
    device: Device = "auto"
    """Where to compute; "auto" takes CUDA, then Apple's GPU, then the CPU."""
    architecture: Architecture = "net"
    """The network: "net" is the tutorial's."""
    conv1_channels: int = 10
    """Filters of the first convolution."""
    conv2_channels: int = 20
    """Filters of the second convolution."""
    hidden_units: int = 50
    """Units of the hidden linear layer."""

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}, got {value!r}")
        for name in ("momentum", "dropout"):
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate <= HIGHEST_LEARNING_RATE:
            raise ValueError(
                f"learning_rate must be above 0 and at most {HIGHEST_LEARNING_RATE:g}, got {self.learning_rate!r}"
            )
        for name, words in (("optimizer", Optimizer), ("device", Device), ("architecture", Architecture)):
            value = getattr(self, name)
            if value not in get_args(words):
                raise ValueError(f"{name} must be one of {', '.join(get_args(words))}, got {value!r}")

    @property
    def steps_per_epoch(self) -> int:
        """Weight updates per epoch; the last batch may be smaller.

        >>> TrainingConfig().steps_per_epoch
        3000
        """
        return math.ceil(60_000 / self.batch_size)

    def to_dict(self) -> dict[str, object]:
        """As JSON stores it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object) -> TrainingConfig:
        """Back from JSON. Raises ValueError for a key that is not a setting and for a value out of range."""
        if not isinstance(values, dict):
            raise ValueError(f"settings must be a JSON object, got {type(values).__name__}")  # noqa: TRY004 - a setting that does not fit, as below
        known = {field.name for field in fields(cls)}
        if unknown := sorted(str(key) for key in values if key not in known):
            raise ValueError(f"unknown setting {unknown[0]!r}: there are {', '.join(sorted(known))}")
        return cls(**values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)  # nan and inf are in no range


RECIPES: dict[str, TrainingConfig] = {"tutorial": TrainingConfig()}

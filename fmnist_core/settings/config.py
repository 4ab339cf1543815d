"""The settings of a run: what they are, and which values they may have."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

Optimizer = Literal["sgd", "nesterov", "adam", "muon"]
Schedule = Literal["constant", "cosine", "one-cycle", "step"]
Loss = Literal["cross-entropy", "one-vs-rest"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Architecture = Literal["net", "linear", "perceptron", "residual", "deep", "wide"]

TRAINING_IMAGES = 60_000

LIMITS: dict[str, tuple[int, int]] = {
    "batch_size": (1, 60_000),
    "epochs": (1, 200),
    "step_limit": (0, 12_000_000),
    "shift": (0, 4),
    "erase": (0, 14),
    "validation": (0, 30_000),
    "fold": (0, 99),
    "seed": (0, 2**32 - 1),
    "conv1_channels": (1, 256),
    "conv2_channels": (1, 256),
    "hidden_units": (1, 2048),
}
"""Lowest and highest value of each whole number, for the check below and for the widgets."""

HIGHEST_LEARNING_RATE = 10.0
SHARES = ("momentum", "dropout", "weight_decay", "label_smoothing")
"""Settings from 0 up to, but not including, 1."""
SWITCHES = ("flip", "standardise", "flip_test")
WORDS: dict[str, tuple[str, ...]] = {
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "loss": get_args(Loss),
    "device": get_args(Device),
    "architecture": get_args(Architecture),
}
"""Settings that are one of a few words, for the check below and for the widgets."""


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
    """Passes over the training images."""
    step_limit: int = 0
    """Weight updates after which training ends even within an epoch; 0: none but the epochs."""
    learning_rate: float = 0.001
    """Step size of the optimizer, above 0, at most 10: the highest one, where a schedule changes it."""
    schedule: Schedule = "constant"
    """How the learning rate goes over the run (`schedules.py`)."""
    momentum: float = 0.9
    """Share of the last step that is carried over, in [0, 1). Adam does not use it."""
    optimizer: Optimizer = "sgd"
    """"sgd"; "nesterov": SGD that looks ahead along its momentum; "adam"; "muon" (`optimizers.py`)."""
    weight_decay: float = 0.0
    """Pulls every weight towards 0, in [0, 1). Added to the gradient by SGD; by Adam (then AdamW) and Muon taken off
    the weight itself, times the learning rate."""
    loss: Loss = "cross-entropy"
    """"cross-entropy" over the softmax of all ten classes; "one-vs-rest": ten separate yes-or-no questions."""
    label_smoothing: float = 0.0
    """Share of each label that is spread evenly over all ten classes, in [0, 1)."""
    dropout: float = 0.4
    """Chance that a hidden unit is left out in a training step, in [0, 1)."""
    seed: int = 0
    """Fixes the initial weights, the order of the images, what augmentation does, and the dropout."""
    device: Device = "auto"
    """Where to compute; "auto" takes CUDA, then Apple's GPU, then the CPU."""
    architecture: Architecture = "net"
    """The network: "net" is the tutorial's, the others are in `architectures.py`."""
    conv1_channels: int = 10
    """Filters of the first convolution of "net"."""
    conv2_channels: int = 20
    """Filters of the second convolution of "net"."""
    hidden_units: int = 50
    """Units of the hidden linear layer of "net" and of "perceptron"."""
    standardise: bool = False
    """Whether the network sees (pixel - mean) / standard deviation instead of the pixel in [0, 1]."""
    shift: int = 0
    """Augmentation: pixels by which each training picture may move, in every direction."""
    flip: bool = False
    """Augmentation: whether half of the training pictures are mirrored, left to right."""
    erase: int = 0
    """Augmentation: side of the black square put on each training picture, in pixels; 0: none."""
    flip_test: bool = False
    """Whether measurements average the logits of each picture and of its mirror image."""
    validation: int = 0
    """Training images that are held out, to choose settings by: never trained on, measured like the test images."""
    fold: int = 0
    """Which ones: images fold * validation to (fold + 1) * validation - 1."""

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}, got {value!r}")
        for name in SHARES:
            value = getattr(self, name)
            if not _is_number(value) or not 0 <= value < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, got {value!r}")
        if not _is_number(self.learning_rate) or not 0 < self.learning_rate <= HIGHEST_LEARNING_RATE:
            raise ValueError(
                f"learning_rate must be above 0 and at most {HIGHEST_LEARNING_RATE:g}, got {self.learning_rate!r}"
            )
        for name, words in WORDS.items():
            value = getattr(self, name)
            if value not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, got {value!r}")
        for name in SWITCHES:
            value = getattr(self, name)
            if type(value) is not bool:
                raise ValueError(f"{name} must be true or false, got {value!r}")
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise ValueError(f"momentum must be above 0 for the optimizer nesterov, got {self.momentum!r}")
        if (self.fold + 1) * self.validation > TRAINING_IMAGES:
            folds = TRAINING_IMAGES // self.validation
            raise ValueError(
                f"fold must be below {folds:,}, as many as there are blocks of {self.validation:,} images, got {self.fold!r}"
            )

    @property
    def training_images(self) -> int:
        """Images that are trained on."""
        return TRAINING_IMAGES - self.validation

    @property
    def steps_per_epoch(self) -> int:
        """Weight updates per epoch; the last batch may be smaller.

        >>> TrainingConfig().steps_per_epoch
        3000
        """
        return math.ceil(self.training_images / self.batch_size)

    @property
    def total_steps(self) -> int:
        """Weight updates of the whole run.

        >>> TrainingConfig().total_steps, TrainingConfig(step_limit=1500).total_steps
        (60000, 1500)
        """
        return self.limited(self.epochs * self.steps_per_epoch)

    def limited(self, steps: int) -> int:
        """`steps`, or the step limit where that is less."""
        return min(steps, self.step_limit or steps)

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

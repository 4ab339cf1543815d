"""The settings of a run: what they are, which values they may have, and what a page calls them."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from fmnist_core.settings.ranges import Range, Real, Switch, Whole, Word

Optimizer = Literal["sgd", "nesterov", "adam", "muon"]
Schedule = Literal["constant", "cosine", "one-cycle", "step"]
Loss = Literal["cross-entropy", "one-vs-rest"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Architecture = Literal["net", "linear", "perceptron", "residual", "deep", "wide"]

TRAINING_IMAGES = 60_000
HIGHEST_LEARNING_RATE = 10.0
RATES = tuple(float(f"{digit}e{power}") for power in range(-5, 1) for digit in (1, 2, 5))
"""Learning rates that controls offer: 0.00001 to 5, each about twice the one before."""
SHARES = tuple(n / 100 for n in range(0, 100, 5))
"""Shares that controls offer: 0, 0.05, … 0.95."""
SHARE = Real(0, 1, open_high=True)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a run: its range for the core, the address, the controls and the terminal, and its words."""

    range: Range
    label: str
    help: str
    """Plain sentences: what it does, and when to change it."""
    scale: tuple[float, ...] = ()
    """What a control offers of a range that has too many values; whatever else a run stands at joins it."""
    as_slider: bool = False
    """Whether a whole number has so few values, or such a usual part, that a slider serves better than a field."""


SETTINGS: dict[str, Setting] = {
    "learning_rate": Setting(
        range=Real(0, HIGHEST_LEARNING_RATE, open_low=True),
        label="Learning rate",
        scale=RATES,
        help="How far each weight moves in one step. Too small: hardly anything is learned. Too large: the loss jumps "
        "about or becomes infinite. The scale is logarithmic: 1, 2, 5, 10, …",
    ),
    "schedule": Setting(
        range=Word({"constant": "Constant", "cosine": "Cosine", "one-cycle": "One cycle", "step": "Steps"}),
        label="Schedule",
        help="How the learning rate goes over the run. Large steps at first and small ones at the end learn more in the "
        "same time: one cycle warms up, then goes down in a straight line; cosine goes down along half a wave; steps "
        "divides it by ten, twice.",
    ),
    "epochs": Setting(
        range=Whole(1, 200),
        label="Epochs",
        as_slider=True,
        help="How often training goes through all training images.",
    ),
    "batch_size": Setting(
        range=Whole(1, TRAINING_IMAGES),
        label="Batch size",
        help="Images per step. Small batches make noisy but many steps.",
    ),
    "step_limit": Setting(
        range=Whole(0, 12_000_000),
        label="Step limit",
        help="Ends training after this many steps, even within an epoch. 0: no limit.",
    ),
    "optimizer": Setting(
        range=Word({"sgd": "SGD", "nesterov": "SGD with Nesterov's momentum", "adam": "Adam", "muon": "Muon"}),
        label="Optimizer",
        help="SGD moves each weight against its gradient; Nesterov's form looks ahead along its momentum. Adam adapts the "
        "size of the step to each weight and wants a learning rate near 0.001. Muon makes each layer's step equally large "
        "in all directions: it learns fastest here, with a learning rate near 0.02.",
    ),
    "momentum": Setting(
        range=SHARE,
        label="Momentum",
        scale=(*SHARES, 0.98, 0.99, 0.995, 0.999),
        help="Share of the last step that is carried over into the next: it smooths the way downhill. Adam has its own.",
    ),
    "weight_decay": Setting(
        range=SHARE,
        label="Weight decay",
        scale=(0.0, *(rate for rate in RATES if rate <= 0.1)),
        help="Pulls every weight a little towards 0 in each step, against learning the training pictures by heart.",
    ),
    "loss": Setting(
        range=Word({"cross-entropy": "Cross-entropy", "one-vs-rest": "One-vs-rest"}),
        label="Loss",
        help="Cross-entropy lets the ten classes compete for one probability. One-vs-rest asks ten separate yes-or-no "
        "questions, as ten logistic regressions do.",
    ),
    "label_smoothing": Setting(
        range=SHARE,
        label="Label smoothing",
        scale=(0.0, 0.01, 0.02, *SHARES[1:11]),
        help="Share of each label that is spread over all ten classes: the network learns to be confident, but never certain.",
    ),
    "dropout": Setting(
        range=SHARE,
        label="Dropout",
        scale=SHARES,
        help="Chance that a hidden unit is left out in a training step, so that no unit can rely on another. It is off "
        "when the network is tested.",
    ),
    "architecture": Setting(
        range=Word(
            {
                "net": "Net, the tutorial's",
                "linear": "Linear: no hidden layer",
                "perceptron": "Perceptron: one hidden layer",
                "residual": "Residual, small",
                "deep": "Residual, deeper",
                "wide": "Residual, wide (for a GPU)",
            }
        ),
        label="Network",
        help="From no hidden layer to many with skip connections. The page Network shows the tutorial's, layer by layer.",
    ),
    "conv1_channels": Setting(
        range=Whole(1, 256),
        label="Filters, conv1",
        help="Filters of the first convolution: the tutorial's network has 10.",
    ),
    "conv2_channels": Setting(
        range=Whole(1, 256),
        label="Filters, conv2",
        help="Filters of the second convolution: the tutorial's network has 20.",
    ),
    "hidden_units": Setting(
        range=Whole(1, 2048),
        label="Hidden units",
        help="Of the hidden linear layer: the tutorial's network has 50.",
    ),
    "standardise": Setting(
        range=Switch(),
        label="Standardised pixels",
        help="Off: pixels from 0 to 1, as in the tutorial. On: minus their mean, divided by their standard deviation, so "
        "that half of them are below 0; most networks learn faster from that.",
    ),
    "shift": Setting(
        range=Whole(0, 4),
        label="Shift, pixels",
        as_slider=True,
        help="By how many pixels a picture may move, in every direction. 0: it stays.",
    ),
    "flip": Setting(
        range=Switch(),
        label="Mirror half of the pictures",
        help="Left and right change places, at random. A mirrored shirt is a shirt; a mirrored 3 would be no 3.",
    ),
    "erase": Setting(
        range=Whole(0, 14),
        label="Erase a square, pixels",
        as_slider=True,
        help="Side of a black square at a random place of each picture. 0: none.",
    ),
    "flip_test": Setting(
        range=Switch(),
        label="Average with the mirror image (test-time augmentation)",
        help="Each measurement averages what the network says of a picture and of its mirror image: two looks, twice the "
        "time.",
    ),
    "validation": Setting(
        range=Whole(0, TRAINING_IMAGES // 2),
        label="Images held out",
        help="Training images that are never trained on, but measured after each epoch: settings are chosen by them, so "
        "that the test images stay unseen until the end.",
    ),
    "fold": Setting(
        range=Whole(0, 99),
        label="Fold",
        help="Which block of images is held out: 0 is the first, 1 the next, and so on.",
    ),
    "seed": Setting(
        range=Whole(0, 2**32 - 1),
        label="Seed",
        help="Fixes the initial weights and the order of the images: same settings and same seed give the same losses.",
    ),
    "device": Setting(
        range=Word({"auto": "Fastest there is", "cuda": "NVIDIA GPU", "mps": "Apple GPU", "cpu": "CPU"}),
        label="Device",
        help="Where the arithmetic is done. Only what this machine has is offered.",
    ),
}
"""Every setting of a run. Defaults stand once, in `TrainingConfig`."""


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
        for name, setting in SETTINGS.items():
            if not setting.range.holds(value := getattr(self, name)):
                raise ValueError(f"{name} must be {setting.range.wanted}, got {value!r}")
        if self.optimizer == "nesterov" and self.momentum == 0:
            raise ValueError(f"momentum must be above 0 for the optimizer nesterov, got {self.momentum!r}")
        if (self.fold + 1) * self.validation > TRAINING_IMAGES:
            folds = TRAINING_IMAGES // self.validation
            raise ValueError(
                f"fold must be below {folds:,}, as many as there are blocks of {self.validation:,} images, got {self.fold!r}"
            )

    @property
    def trains_cross_entropy(self) -> bool:
        """Whether training makes small what measurements tell: the plain cross-entropy, in nats per image."""
        return self.loss == "cross-entropy" and self.label_smoothing == 0

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
        if unknown := sorted(str(key) for key in values.keys() - SETTINGS.keys()):
            raise ValueError(f"unknown setting {unknown[0]!r}: there are {', '.join(sorted(SETTINGS))}")
        return cls(**values)

"""A single step of training with all its numbers: the batch, what the network said before and after, and the arithmetic.

`SingleStep.formulas` has the arithmetic. g is the gradient of the batch's mean loss; in `state_before` and `state_after` v is
"momentum_buffer" (none of it before the first step, and without momentum), m and s are "exp_avg" and "exp_avg_sq", as torch
names them.

One file of NumPy arrays, read without torch.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fmnist_core.files import Unreadable, parse
from fmnist_core.runs.files.arrays import read_archive
from fmnist_core.settings.config import SETTINGS

Floats = npt.NDArray[np.float32]

MOMENTS = "m ← 0.9 · m + 0.1 · g,   s ← 0.999 · s + 0.001 · g²"
ADAM = "m / (1 − 0.9ⁿ) / (√(s / (1 − 0.999ⁿ)) + 10⁻⁸)"
"""n is the number of the step."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SingleStep:
    """What happened in one step."""

    step: int
    """Its number: the network had done `step - 1` steps before."""
    optimizer: str
    learning_rate: float
    """Of this step, as the schedule has it."""
    momentum: float
    weight_decay: float
    indices: npt.NDArray[np.int64]
    """(batch,) int64: the training images of the batch."""
    labels: npt.NDArray[np.int64]
    """(batch,) int64."""
    images: Floats
    """(batch, 28, 28) float32: as the network was given them, augmented and standardised where the run does so."""
    logits_trained: Floats
    """(batch, 10): as training saw them, with dropout."""
    logits_before: Floats
    """(batch, 10): of the same images before the step, without dropout."""
    logits_after: Floats
    """(batch, 10): after the step, without dropout."""
    losses_trained: Floats
    """(batch,): their mean is the loss of the step, up to the rounding of float32."""
    losses_before: Floats
    losses_after: Floats
    weights_before: Mapping[str, Floats]
    """By the name of the parameter, such as "conv1.weight"."""
    gradients: Mapping[str, Floats]
    weights_after: Mapping[str, Floats]
    state_before: Mapping[str, Floats]
    """What the optimizer remembers, by name of the parameter and of the number: "conv1.weight.momentum_buffer"."""
    state_after: Mapping[str, Floats]

    def formulas(self, name: str) -> tuple[str, str]:
        """What the optimizer remembers of the parameter of that name, and what it does to its weights.

        Muon treats biases and the last layer as Adam does (`training/optimizers.py`).
        """
        decay = " + decay · w" if self.weight_decay else ""
        if f"{name}.exp_avg" in self.state_after:
            return MOMENTS, f"w ← w − rate · ({ADAM}{decay})"
        match self.optimizer:
            case "nesterov":
                return f"v ← momentum · v + g{decay}", f"w ← w − rate · (g{decay} + momentum · v)"
            case "muon":
                return (
                    "v ← momentum · v + (1 − momentum) · g",
                    f"w ← w − rate · (v made orthogonal, looking ahead{decay})",
                )
        return f"v ← momentum · v + g{decay}", "w ← w − rate · v"

    def to_bytes(self) -> bytes:
        """The content of a NumPy archive."""
        arrays: dict[str, Any] = {}
        facts: dict[str, Any] = {}
        for field in fields(self):
            match value := getattr(self, field.name):
                case int() | float() | str():
                    facts[field.name] = value
                case np.ndarray():
                    arrays[field.name] = value
                case _:
                    arrays |= {f"{field.name}/{name}": array for name, array in value.items()}
        content = io.BytesIO()
        np.savez(content, facts=np.array(json.dumps(facts)), **arrays)
        return content.getvalue()

    @classmethod
    def read(cls, path: Path) -> SingleStep:
        """Raises FileNotFoundError where there is no such file, Unreadable where it is damaged."""
        archive = read_archive(path)
        try:
            values: Any = parse(str(archive.pop("facts")))
            for name, array in archive.items():
                group, slash, parameter = name.partition("/")
                if slash:
                    values.setdefault(group, {})[parameter] = array
                else:
                    values[name] = array
            for field in fields(cls):
                values.setdefault(field.name, {})  # an optimizer that remembers nothing
            step = cls(**values)
            step.check()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unreadable(f"{path} holds no single step: {error}.") from error
        return step

    def check(self) -> None:
        """Raises ValueError where its parts do not fit each other, as those of a damaged file."""
        batch = len(self.indices)
        fits = self.labels.shape == (batch,) and self.images.shape == (batch, 28, 28)
        for name in ("trained", "before", "after"):
            fits &= getattr(self, f"logits_{name}").shape == (batch, 10)
            fits &= getattr(self, f"losses_{name}").shape == (batch,)
        shapes = {name: array.shape for name, array in self.weights_before.items()}
        for others in (self.gradients, self.weights_after):
            fits &= all(shapes.get(name) == array.shape for name, array in others.items())
        facts = self.learning_rate, self.momentum, self.weight_decay
        if (
            not fits
            or not SETTINGS["optimizer"].range.holds(self.optimizer)
            or not all(isinstance(fact, int | float) for fact in facts)
        ):
            raise ValueError("its parts do not fit each other")

"""The confusion matrix as a table of buttons: every cell, row and column opens its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import CLASSES
from fmnist_core.numbers import MINUS
from fmnist_core.views.colours import LESS, MORE
from pages.parts.components import load

_component = load("matrix")

Cell = tuple[int | None, int | None]
"""(true class, predicted class); None stands for all of them."""


@dataclass(frozen=True, eq=False)
class Face:
    """What the cells show. Arrays are (10, 10) by [true class, predicted class]."""

    values: npt.NDArray[np.float64]
    """Numbers, or nan where there is none. Negative ones make it a difference: signed, in two colours."""
    digits: int
    """After the decimal point; narrow screens show none."""
    hovers: Sequence[Sequence[str]]
    """In words, for the mouse and for a screen reader, without the classes."""
    signed: bool = False


def matrix(face: Face, *, order: Sequence[int], selected: Cell, diagonal: bool, key: str) -> Cell | None:
    """Show the matrix with its classes in this `order`; the cell that was just chosen, else None.

    Without `diagonal` the right ones have no colour, so that the mistakes have the whole scale.
    """
    result = _component(
        key=key,
        data={
            "classes": CLASSES,
            "order": list(order),
            "texts": _texts(face.values, face.digits, face.signed),
            "short": _texts(face.values, 0, face.signed),
            "tones": _tones(face.values, diagonal).tolist(),
            "hovers": [list(row) for row in face.hovers],
            "selected": selected,
            "colours": [MORE, LESS] if face.signed else [],
        },
        on_cell_change=lambda: None,
    )
    chosen = result.cell
    return (chosen["true"], chosen["predicted"]) if chosen else None


def _tones(values: npt.NDArray[np.float64], diagonal: bool) -> npt.NDArray[np.float64]:
    """How much colour each cell gets, -1 to 1: the square root of its share, so that small numbers stay visible."""
    known = np.nan_to_num(values)
    if not diagonal:
        known = known - np.diag(known.diagonal())
    highest = np.abs(known).max() or 1.0
    tones: npt.NDArray[np.float64] = np.sign(known) * np.sqrt(np.abs(known) / highest)
    return tones.round(3)


def _texts(values: npt.NDArray[np.float64], digits: int, signed: bool) -> list[list[str]]:
    """The numbers as short text: a point for nothing, a dash for what cannot be said, U+2212 for minus, no sign for 0."""

    def text(value: float) -> str:
        if np.isnan(value):
            return "–"
        if value == 0:
            return "·"
        word = f"{value:+,.{digits}f}" if signed and round(value, digits) else f"{abs(value):,.{digits}f}"
        return word.replace("-", MINUS).replace(",", "" if abs(value) < 10_000 else ",")

    return [[text(value) for value in row] for row in values.tolist()]

"""The confusion matrix as a table of buttons: every cell, row and column opens its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.dataset import CLASSES

_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "matrix",
    html=(_HERE / "matrix.html").read_text(),
    css=(_HERE / "matrix.css").read_text(),
    js=(_HERE / "matrix.js").read_text(),
)

Cell = tuple[int | None, int | None]
"""(true class, predicted class); None stands for all of them."""


def matrix(counts: npt.NDArray[np.int64], *, selected: Cell, errors_only: bool, key: str) -> Cell | None:
    """Show `counts`, (10, 10) by [true class, predicted class]; the cell that was just chosen, else None.

    `errors_only` leaves the diagonal without colour, so that the mistakes have the whole scale.
    """
    result = _component(
        key=key,
        data={
            "classes": CLASSES,
            "counts": counts.tolist(),
            "selected": selected,
            "errorsOnly": errors_only,
        },
        on_cell_change=lambda: None,
    )
    chosen = result.cell
    return (chosen["true"], chosen["predicted"]) if chosen else None

"""A convolution's kernel over the picture, as a drawing and in words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_core.numbers import decimal

Kernel = npt.NDArray[np.float32]
"""(side, side)."""

POSITIVE, NEGATIVE = (107, 116, 230), (238, 119, 51)
"""As on the way through: told apart by everybody."""
CELL = 46
"""CSS pixels of a weight."""
MOSTLY = 0.8
"""Share of all weight, in absolute value, from which on one sign rules."""
STEEP = 0.3
"""Share of it that must lie on one side for an edge: of a Sobel kernel it is 1, of noise about 0.2."""
SIDES = ("right", "lower right", "bottom", "lower left", "left", "upper left", "top", "upper right")


def drawing(kernel: Kernel) -> str:
    """An HTML table: each weight on its colour, the stronger, the larger it is; blue is positive, orange negative."""
    largest, rows = float(np.abs(kernel).max()) or 1.0, []
    for row in kernel.tolist():
        cells = []
        for weight in row:
            ink = ", ".join(map(str, POSITIVE if weight > 0 else NEGATIVE))
            style = f"width: {CELL}px; height: {CELL}px; text-align: center; border: 1px solid rgb(128 128 128 / 30%)"
            colour = f"background: rgba({ink}, {0.7 * abs(weight) / largest:.2f})"
            cells.append(f'<td style="{style}; {colour}">{decimal(weight, 2)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    caption = f"The {kernel.size} weights of the kernel"
    return (
        f'<table style="border-collapse: collapse; font-size: 0.8rem" aria-label="{caption}"><tbody>{"".join(rows)}'
        "</tbody></table>"
    )


def in_words(kernel: Kernel) -> str:
    """What makes the sum of its products large.

    >>> in_words(np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], np.float32))
    'It looks for an edge: light on the right, dark on the opposite side.'
    >>> in_words(np.ones((3, 3), np.float32))
    'Its weights are positive: it looks for light, and blurs.'
    """
    size = float(np.abs(kernel).sum())
    if not size:
        return "All its weights are 0: whatever the picture is, it puts out its bias."
    balance = float(kernel.sum()) / size
    if balance >= MOSTLY:
        return f"{'Its' if balance > 0.999 else 'Nearly all its'} weights are positive: it looks for light, and blurs."
    if balance <= -MOSTLY:
        every = "Its" if balance < -0.999 else "Nearly all its"
        return f"{every} weights are negative: light takes away from it, so it looks for black, where only its bias is left."
    offsets = np.linspace(-1, 1, len(kernel))
    across, down = float((kernel * offsets).sum()) / size, float((kernel * offsets[:, None]).sum()) / size
    if np.hypot(across, down) < STEEP:
        return "It looks for a small pattern: light where a weight is blue, dark where it is orange."
    side = SIDES[round(np.arctan2(down, across) / (np.pi / 4)) % 8]
    return f"It looks for an edge: light on the {side}, dark on the opposite side."

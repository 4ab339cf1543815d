"""One picture as 784 numbers, on a canvas that draws them in one piece."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fmnist_core.views.pictures import Scale, scales
from pages.parts.components import load

_component = load("pixel_grid")


NAMES: dict[Scale, str] = {"tensor": "ToTensor", "raw": "raw", "standardised": "standardised"}


def pixel_grid(image: npt.NDArray[np.uint8], *, scale: Scale, alt: str, key: str) -> None:
    """Show the image (28, 28) uint8 with the value of each pixel in this one of `pictures.scales`.

    Hovering and the cell cursor of the keyboard read one pixel in all scales; a drag, or Shift and the arrow keys,
    select a region and give its numbers. Everything but the choice of scale happens in the browser.
    """
    values = scales(image)
    _component(
        key=key,
        data={
            "scales": [
                {
                    "name": NAMES[name],
                    "decimals": 0 if name == "raw" else 2,
                    "values": numbers.astype(np.float64).round(6).ravel().tolist(),
                }
                for name, numbers in values.items()
            ],
            "shown": list(values).index(scale),
            "raw": list(values).index("raw"),
            "alt": alt,
        },
    )

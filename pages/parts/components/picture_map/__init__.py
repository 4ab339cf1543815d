"""All test pictures on one map, drawn as themselves: the browser draws, moves and finds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fmnist_core.data.dataset import CLASSES
from fmnist_core.views.colours import CLASS_COLOURS, RIGHT, WRONG
from pages.parts.components import load

_component = load("picture_map")


def picture_map(
    run_id: str,
    *,
    step: int,
    steps: Sequence[int],
    of: Literal["hidden", "pixels"],
    colour: Literal["true", "predicted", "right"],
    only: int | None,
    link: str,
    key: str,
) -> None:
    """Draw it at `step` of the `steps` whose weights are kept.

    `colour`: by true class, by predicted class, or by right and wrong. `only`: one true class. `link`: the address of
    one picture's page, to which its index is added.
    """
    _component(
        key=key,
        data={
            "run": run_id,
            "step": step,
            "steps": list(steps),
            "of": of,
            "colour": colour,
            "only": only,
            "link": link,
            "classes": CLASSES,
            "colours": CLASS_COLOURS,
            "right": [RIGHT, WRONG],
        },
    )

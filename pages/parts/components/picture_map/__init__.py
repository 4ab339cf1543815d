"""All test pictures on one map, drawn as themselves: the browser draws, moves and finds them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from fmnist_core.data.dataset import CLASSES
from fmnist_core.inside.area import MOST, Corners
from fmnist_core.views.colours import CLASS_COLOURS, RIGHT, WRONG
from pages.parts.components import load

_component = load("picture_map", scripts=["picture_map/pictures.js", "picture_map/area.js"])


def picture_map(
    run_id: str,
    *,
    step: int,
    steps: Sequence[int],
    of: Literal["hidden", "pixels"],
    by: Literal["neighbours", "components"],
    version: int,
    colour: Literal["true", "predicted", "right"],
    only: int | None,
    area: Corners | None,
    link: str,
    on_area: Callable[[], None],
    key: str,
) -> None:
    """Draw it at `step` of the `steps` that have a map.

    `version`: another number where more of it has been computed. `colour`: by true class, by predicted class, or by right
    and wrong. `only`: one true class. `area`: what is drawn around. `link`: the address of one picture's page, to which its
    index is added. `on_area` is called after something was drawn around: `session_state[key].area`, as `inside.area` reads it.
    """
    _component(
        key=key,
        data={
            "run": run_id,
            "step": step,
            "steps": list(steps),
            "of": of,
            "by": by,
            "version": version,
            "colour": colour,
            "only": only,
            "area": None if area is None else area.round(2).tolist(),
            "most": MOST,
            "link": link,
            "classes": CLASSES,
            "colours": CLASS_COLOURS,
            "right": [RIGHT, WRONG],
        },
        on_area_change=on_area,
    )

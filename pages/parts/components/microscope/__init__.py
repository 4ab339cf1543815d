"""The way of one picture through a network, and the arithmetic of every value: computed in the browser (net.js)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fmnist_core.data.dataset import CLASSES, MEAN, STD
from fmnist_core.inside.network import Network
from fmnist_core.inside.stages import to_json
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts.components import load

_component = load("microscope", scripts=["microscope/net.js", "microscope/arithmetic.js", "microscope/windows.js"])


def for_the_browser(
    run_id: str, network: Network, image: npt.NDArray[np.uint8], step: int, steps: Sequence[int], edits: str
) -> dict[str, object]:
    """What net.js needs to take one picture, (28, 28) uint8, through a network; the weights come by their own route."""
    return {
        "run": run_id,
        "step": step,
        "steps": list(steps),
        "edits": edits,
        "graph": to_json(network.nodes),
        "picture": base64.b64encode(np.ascontiguousarray(image, np.uint8).tobytes()).decode(),
        "standardise": [MEAN, STD] if network.config.standardise else None,
        "classes": CLASSES,
    }


def microscope(
    run_id: str,
    network: Network,
    image: npt.NDArray[np.uint8],
    *,
    step: int,
    steps: Sequence[int],
    selected: tuple[str, int, int | None],
    label: int | None,
    title: str,
    per_layer: bool,
    edits: str = "",
    on_select: Callable[[], None],
    key: str,
) -> None:
    """Draw it for one picture, (28, 28) uint8, at `step` of the `steps` whose weights are kept.

    `selected`: a stage's name, a channel or unit, and a place within its map, row · width + column; None for the largest
    value. `per_layer`: one colour scale for all maps of a layer, not one for each. `label`: its true class, where one is
    known. `on_select` is called after a choice: `session_state[key].selected`, {"layer", "unit", "place"}.
    """
    layer, unit, place = selected
    _component(
        key=key,
        data=for_the_browser(run_id, network, image, step, steps, edits)
        | {
            "colours": CLASS_COLOURS,
            "trueClass": label,
            "title": title,
            "perLayer": per_layer,
            "selected": {"layer": layer, "unit": unit, "place": place},
        },
        on_selected_change=on_select,
    )

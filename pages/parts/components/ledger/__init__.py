"""An output as a sum over pixels, with pixels to erase, beside other maps of the same picture: the sums are the browser's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.inside.network import Network
from pages.parts.components import load
from pages.parts.components.microscope import for_the_browser

_component = load("ledger", scripts=["microscope/net.js", "microscope/arithmetic.js"])


@dataclass(frozen=True, eq=False)
class Comparison:
    """Another map of the same picture."""

    name: str
    words: Sequence[str]
    """Lines below the name, such as how far it can be trusted."""
    trained: npt.NDArray[np.float64]
    """(28, 28)."""
    untrained: npt.NDArray[np.float64] | None
    """The same map from the network before training."""


def ledger(
    run_id: str,
    network: Network,
    image: npt.NDArray[np.uint8],
    *,
    step: int,
    steps: Sequence[int],
    edits: str,
    label: int,
    against: int | None,
    black: bool,
    erased: str,
    maps: Sequence[Comparison],
    on_erase: Callable[[], None],
    key: str,
) -> None:
    """Draw it for one picture, (28, 28) uint8, and the logit of `label`, or how far it is above that of `against`.

    `black`: relative to a black picture. `erased`: 784 bits in base64, as the browser writes them; `on_erase` is called
    when they change: `session_state[key].erased`.
    """
    _component(
        key=key,
        data=for_the_browser(run_id, network, image, step, steps, edits)
        | {
            "label": label,
            "against": against,
            "black": black,
            "erased": erased,
            "maps": [
                {
                    "name": one.name,
                    "words": list(one.words),
                    "trained": _packed(one.trained),
                    "untrained": None if one.untrained is None else _packed(one.untrained),
                }
                for one in maps
            ],
        },
        on_erased_change=on_erase,
    )


def _packed(values: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()

"""Many 28 x 28 pictures at once, enlarged by whole numbers, for the mouse and the keyboard."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fmnist_core.views.pictures import SPRITE_COLUMNS, sprite
from pages.parts.components import load

_component = load("image_grid", scripts=["sprite.js"])


def image_grid(
    images: npt.NDArray[np.uint8],
    *,
    captions: Sequence[str],
    hovers: Sequence[str] | None = None,
    colours: Sequence[str | None] | None = None,
    links: Sequence[str] | None = None,
    strips: Sequence[str] | None = None,
    marked: int | None = None,
    columns: int = 10,
    cell: int = 56,
    alt: str = "Pictures",
    key: str,
) -> int | None:
    """Show the images (N, 28, 28) uint8; the position of the one that was activated just now (click, Enter), else None.

    `captions`: under each picture, "" for none. `hovers`: what the mouse and a screen reader are told of each.
    `colours`: of each border and caption. `links`: each picture's own address, so that it can also be opened in a new
    tab or copied; without them the pictures are buttons. `strips`: a CSS background below each picture, such as its
    biography. `marked`: the position of one that stands out.
    `columns`: at most, fewer where there is no room. `cell`: pixels of a picture's side at most, a multiple of 28.
    Texts are shown as they are: no Markdown, no HTML.

    The activation is an event of one script run; a page answers it with `st.switch_page`.
    """
    if cell % 28 or cell < 28:
        raise ValueError(f"cell must be a multiple of 28, got {cell}")
    if len(captions) != len(images):
        raise ValueError(f"{len(images)} pictures need as many captions, got {len(captions)}")
    result = _component(
        key=key,
        data={
            "sprite": base64.b64encode(sprite(images)).decode(),
            "spriteColumns": SPRITE_COLUMNS,
            "count": len(images),
            "captions": list(captions),
            "hovers": list(hovers or captions),
            "colours": list(colours or []),
            "links": list(links or []),
            "strips": list(strips or []),
            "marked": marked,
            "columns": columns,
            "zoom": cell // 28,
            "alt": alt,
        },
        on_activated_change=lambda: None,  # makes the attribute exist
    )
    position = result.activated
    return position if isinstance(position, int) and 0 <= position < len(images) else None

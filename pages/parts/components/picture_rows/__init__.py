"""Rows of pictures with words beside them: pairs of classes, mistakes with what the network knew about them."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fmnist_core.views.pictures import SPRITE_COLUMNS, sprite
from pages.parts.components import load

_component = load("picture_rows", scripts=["sprite.js"])


@dataclass(frozen=True, eq=False)
class Picture:
    """A small picture that is a link."""

    pixels: npt.NDArray[np.uint8]
    """(28, 28) uint8."""
    hover: str
    """What the mouse and a screen reader are told."""
    link: str
    caption: str = ""
    colour: str = ""
    """Of the border and the caption."""


@dataclass(frozen=True)
class Bar:
    """A share in [0, 1] with its name."""

    name: str
    share: float
    words: str
    colour: str


@dataclass(frozen=True)
class Strip:
    """Pictures side by side, with a label above; without pictures the label is a sentence."""

    label: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class Row:
    """One line."""

    title: str
    note: str = ""
    link: str = ""
    """Of the title."""
    lead: Picture | None = None
    """The picture that the row is about: larger, and first."""
    bars: Sequence[Bar] = ()
    strips: Sequence[Strip] = field(default_factory=tuple)


def picture_rows(rows: Sequence[Row], *, alt: str, key: str) -> None:
    """Show the rows. All texts are shown as they are: no Markdown, no HTML. Arrow keys move from picture to picture."""
    images: list[npt.NDArray[np.uint8]] = []

    def of(picture: Picture) -> dict[str, object]:
        images.append(picture.pixels)
        return {
            "place": len(images) - 1,
            "hover": picture.hover,
            "link": picture.link,
            "caption": picture.caption,
            "colour": picture.colour,
        }

    data = [
        {
            "title": row.title,
            "note": row.note,
            "link": row.link,
            "lead": of(row.lead) if row.lead else None,
            "bars": [vars(bar) for bar in row.bars],
            "strips": [{"label": strip.label, "pictures": [of(p) for p in strip.pictures]} for strip in row.strips],
        }
        for row in rows
    ]
    sheet = np.stack(images) if images else np.zeros((0, 28, 28), np.uint8)
    _component(
        key=key,
        data={
            "rows": data,
            "sprite": base64.b64encode(sprite(sheet)).decode(),
            "spriteColumns": SPRITE_COLUMNS,
            "alt": alt,
        },
    )

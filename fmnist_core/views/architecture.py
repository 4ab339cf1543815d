"""The network as a picture: each value that a layer puts out is one square of the same size."""

from __future__ import annotations

import base64
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image

INK = (107, 116, 230)
"""The accent colour between its light and its dark shade: readable on both."""

CELLS = (4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 0.75, 0.5, 0.35, 0.25, 0.15, 0.1)
"""Pixels per value, from which the largest that fits is taken."""

FAINT = 0.13
"""How much ink a value of zero has, so that the place of every value is seen."""


@dataclass(frozen=True)
class Stage:
    """What one step puts out, and what to write beside it."""

    name: str
    """Such as "conv1 + ReLU"."""
    values: npt.NDArray[np.float32]
    """(channels, height, width) or (units,); drawn from 0 (faint) to the largest value (full ink)."""
    note: str = ""
    """A short line below the shape, such as "100 parameters"."""
    window: int = 0
    """Height and width of the window that the next step slides over these values; 0 when it takes them all."""
    at: int = 0
    """Row and column where that window is drawn; and of the value that the step before has put there."""
    focus: int = 0
    """The map on which the lines start and end."""
    all_maps: bool = False
    """Whether the next step looks through the window at all maps at once, as a convolution does."""

    @property
    def shape(self) -> str:
        """As on screen: "10 × 26 × 26"."""
        return " × ".join(f"{n:,}" for n in self.values.shape)


@dataclass(frozen=True)
class Scores:
    """The last step: one probability per class."""

    name: str
    labels: Sequence[str]
    probabilities: npt.NDArray[np.float32]
    """(classes,), in [0, 1]."""
    note: str = ""


@dataclass(frozen=True)
class _Block:
    """A stage laid out: its maps in rows and columns, `cell` pixels per value."""

    stage: Stage
    cell: float
    columns: int
    rows: int

    @property
    def maps(self) -> npt.NDArray[np.float32]:
        values = self.stage.values
        return values if values.ndim == 3 else values.reshape(-1, 1, 1)

    @property
    def gap(self) -> int:
        return 1 if self.stage.values.ndim == 3 else 0

    @property
    def width(self) -> float:
        across: int = (self.columns * (self.maps.shape[2] + self.gap)) - self.gap
        return across * self.cell

    @property
    def height(self) -> float:
        down: int = (self.rows * (self.maps.shape[1] + self.gap)) - self.gap
        return down * self.cell

    def png(self) -> str:
        """All maps as one picture, one pixel per value, as a data address."""
        count, height, width = self.maps.shape
        sheet = np.zeros((self.rows * (height + self.gap), self.columns * (width + self.gap)), np.float32)
        top = float(self.maps.max()) or 1.0
        ink = FAINT + (1 - FAINT) * np.clip(self.maps / top, 0, 1)
        for position in range(count):
            row, column = divmod(position, self.columns)
            y, x = row * (height + self.gap), column * (width + self.gap)
            sheet[y : y + height, x : x + width] = ink[position]
        sheet = sheet[: sheet.shape[0] - self.gap, : sheet.shape[1] - self.gap]
        pixels = np.empty((*sheet.shape, 4), np.uint8)
        pixels[..., :3] = INK
        pixels[..., 3] = np.round(sheet * 255)
        packed = io.BytesIO()
        Image.fromarray(pixels).save(packed, "PNG")
        return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"

    def draw(self, x: float, y: float) -> str:
        """The maps with the upper left corner at (x, y), and the window of the next step."""
        stage = self.stage
        crisp = "image-rendering:pixelated" if self.cell >= 2 else ""
        drawn = (
            f"<g><title>{escape(stage.name)}: {escape(stage.shape)}, {stage.values.size:,} numbers</title>"
            f'<image x="{x:.1f}" y="{y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'preserveAspectRatio="none" style="{crisp}" href="{self.png()}"/></g>'
        )
        side = stage.window * self.cell
        if side < 2:
            return drawn
        for position in range(len(self.maps)) if stage.all_maps else [stage.focus]:
            left, top = self.corner(position, x, y)
            drawn += (
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{side:.1f}" height="{side:.1f}" fill="none" '
                f'stroke="currentColor" stroke-width="{1.3 if position == stage.focus else 0.7}"/>'
            )
        return drawn

    def corner(self, position: int, x: float, y: float) -> tuple[float, float]:
        """Where value (at, at) of the map `position` is, when the block's corner is at (x, y)."""
        row, column = divmod(position, self.columns)
        _, height, width = self.maps.shape
        return (
            x + (column * (width + self.gap) + self.stage.at) * self.cell,
            y + (row * (height + self.gap) + self.stage.at) * self.cell,
        )


def _across(stage: Stage, cell: float, room: float) -> _Block:
    """The stage for the wide picture: at most `room` pixels high, a vector as a slim column."""
    block = _Block(stage, cell, 1, 1)
    count, height, width = block.maps.shape
    fits = max(1, math.floor((room / cell + block.gap) / (height + block.gap)))
    columns = math.ceil(count / min(fits, count))
    beside = math.floor(92 / cell / (width + block.gap)) if block.gap else round(math.sqrt(count) / 3)
    columns = min(count, max(columns, beside))
    rows = math.ceil(count / columns)
    return _Block(stage, cell, math.ceil(count / rows), rows)


def _down(stage: Stage, cell: float, room: float) -> _Block:
    """The stage with as many columns as `room` pixels of width take."""
    block = _Block(stage, cell, 1, 1)
    count, _, width = block.maps.shape
    fits = max(1, math.floor((room / cell + block.gap) / (width + block.gap)))
    rows = math.ceil(count / min(fits, count))
    return _Block(stage, cell, math.ceil(count / rows), rows)


def _text(x: float, y: float, words: str, *, weight: int = 400, faint: bool = False, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-weight="{weight}" text-anchor="{anchor}" '
        f'opacity="{0.66 if faint else 1}">{escape(words)}</text>'
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"


def _bars(scores: Scores, x: float, y: float, width: float) -> str:
    """A row of name and bar per class; the bar's full length is a probability of 1."""
    parts = []
    names = 82.0
    room = width - names - 46.0
    for position, (label, share) in enumerate(zip(scores.labels, scores.probabilities, strict=True)):
        top = y + position * 17
        bar = f'<rect x="{x + names:.1f}" y="{top + 3:.1f}" height="9" rx="2" fill="rgb{INK}"'
        parts.append(
            f"<g><title>{escape(label)}: {_percent(share)}</title>{_text(x, top + 12, label)}"
            f'{bar} width="{room:.1f}" opacity="{FAINT}"/>{bar} width="{max(1.0, room * float(share)):.1f}"/>'
            f"{_text(x + width, top + 12, _percent(share), anchor='end')}</g>"
        )
    return "".join(parts)


def _svg(width: float, height: float, words: str, body: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(words)}" fill="currentColor" font-size="13" '
        f'style="display:block;width:100%;max-width:{width:.0f}px;height:auto">{body}</svg>'
    )


def wide(stages: Sequence[Stage], scores: Scores, width: int = 1040) -> str:
    """The way from left to right as an SVG: for a screen of 760 pixels or more."""
    room, head, rows = 345.0, 26.0, 17.0 * len(scores.labels)
    for cell in CELLS:
        blocks = [_across(stage, cell, room) for stage in stages]
        slots = [max(block.width, 6.6 * max(map(len, _words(block.stage)))) for block in blocks]
        if sum(slots) + 18 * len(slots) + 190 <= width:
            break
    gap = (width - 190 - sum(slots)) / len(slots)  # spread over the whole width
    tallest = max(rows, *(block.height for block in blocks))
    parts, x, places = [], 0.0, []
    for block, slot in zip(blocks, slots, strict=True):
        left, top = x + (slot - block.width) / 2, head + (tallest - block.height) / 2
        places.append((block, left, top))
        parts.append(block.draw(left, top))
        for line, words in enumerate(_words(block.stage)):
            y = 13 if line == 0 else head + tallest + 6 + 17 * line
            weight = 600 if line == 0 else 400
            parts.append(_text(x + slot / 2, y, words, weight=weight, faint=line == 2, anchor="middle"))
        x += slot + gap
    for (block, left, top), (after, next_left, next_top) in itertools.pairwise(places):
        parts.append(_funnel(block, left, top, after, next_left, next_top))
    block, left, top = places[-1]
    right, score_top = left + block.width, head + (tallest - rows) / 2
    parts.append(_lines([(right, top, x - 6, score_top), (right, top + block.height, x - 6, score_top + rows)]))
    parts.append(_text(x, 13, scores.name, weight=600))
    parts.append(_bars(scores, x, score_top, width - x))
    parts.append(_text(x, head + tallest + 23, f"{len(scores.labels)}"))
    parts.append(_text(x, head + tallest + 40, scores.note, faint=True))
    return _svg(width, head + tallest + 50, _summary(stages), "".join(parts))


def narrow(stages: Sequence[Stage], scores: Scores, width: int = 340) -> str:
    """The way from top to bottom as an SVG: for a telephone."""
    for cell in CELLS:
        blocks = [_down(stage, cell, width) for stage in stages]
        if cell <= 3 and sum(block.height for block in blocks) <= 900:
            break
    parts, y = [], 0.0
    for block in blocks:
        name, *rest = _words(block.stage)
        parts.append(_text(0, y + 14, name, weight=600))
        parts.append(_text(width, y + 14, " · ".join(rest), faint=True, anchor="end"))
        parts.append(block.draw(0, y + 24))
        y += block.height + 24 + 22
    parts.append(_text(0, y + 14, scores.name, weight=600))
    parts.append(_text(width, y + 14, f"{len(scores.labels)} · {scores.note}", faint=True, anchor="end"))
    parts.append(_bars(scores, 0, y + 24, width))
    return _svg(width, y + 24 + 17 * len(scores.labels) + 4, _summary(stages), "".join(parts))


def _words(stage: Stage) -> list[str]:
    return [words for words in (stage.name, stage.shape, stage.note) if words]


def _summary(stages: Sequence[Stage]) -> str:
    return "The network, drawn to scale: " + ", ".join(f"{stage.name} {stage.shape}" for stage in stages)


def _funnel(block: _Block, x: float, y: float, after: _Block, next_x: float, next_y: float) -> str:
    """Two lines from what the next step looks at to the value that it makes of it, or to all of its values."""
    window = block.stage.window
    if not window:
        right = x + block.width
        return _lines([(right, y, next_x, next_y), (right, y + block.height, next_x, next_y + after.height)])
    left, top = block.corner(block.stage.focus, x, y)
    to_x, to_y = after.corner(after.stage.focus, next_x, next_y)
    side = window * block.cell
    return _lines([(left + side, top, to_x, to_y), (left + side, top + side, to_x, to_y + after.cell)])


def _lines(lines: Sequence[tuple[float, float, float, float]]) -> str:
    return "".join(
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="currentColor" '
        'stroke-width="1" opacity="0.45"/>'
        for x1, y1, x2, y2 in lines
    )

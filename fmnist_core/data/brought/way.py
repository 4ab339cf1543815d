"""The whole way from a photograph to 28 x 28, stage by stage: what was decided, why, and what it looks like there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from fmnist_core.data.brought import stages
from fmnist_core.data.brought.files import Brought
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.brought.stages import Gray
from fmnist_core.numbers import signed

StageName = Literal[
    "as brought",
    "upright",
    "gray",
    "background removed",
    "light on dark",
    "straightened",
    "cropped",
    "longest side 28",
    "centred",
    "stretched",
    "mirrored",
]

ANGLES = tuple(np.arange(-17.5, 17.6, 2.5).tolist())
"""Degrees counterclockwise that are tried to set a garment straight."""
TRIED_AT = 112
"""Pixels of the longer side while angles are tried."""
FAINT = 12.0
"""Ink of 255 up to which a pixel counts as background when the garment's box is looked for."""
MIRROR_AT = 0.9
"""The mirror image has to be this much nearer to the training pictures: garments that are alike on both sides stay."""
BLANK = 0.05
"""A picture whose pixels are all nearer than this to its background's colour shows nothing."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a person decides; None leaves the decision to the program."""

    upright: bool = True
    """Turn as the camera says."""
    threshold: float | None = None
    """Distance from the background's colour, 0 to 1, from which on a pixel belongs to the garment; 0 keeps everything."""
    negate: bool | None = None
    """Dark becomes light."""
    angle: float | None = None
    """Degrees counterclockwise, -180 to 180."""
    crop: tuple[float, float, float, float] | None = None
    """Left, top, right, bottom as shares of the turned picture."""
    sharpen: bool = True
    """After shrinking, as the data set was."""
    stretch: bool = True
    """The brightest pixel to 255."""
    mirror: bool | None = None
    """Left becomes right."""

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be from 0 to 1, got {self.threshold}")
        if self.angle is not None and not -180 <= self.angle <= 180:
            raise ValueError(f"angle must be from -180 to 180 degrees, got {self.angle}")
        if self.crop is not None:
            left, top, right, bottom = self.crop
            if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
                raise ValueError(f"crop must be left < right and top < bottom, each from 0 to 1, got {self.crop}")


@dataclass(frozen=True, eq=False)
class Stage:
    """The picture after one step."""

    name: StageName
    picture: npt.NDArray[np.uint8]
    """(H, W, 3) or (H, W) uint8."""
    said: str
    """What was done and why, a sentence."""

    @property
    def seen(self) -> npt.NDArray[np.uint8]:
        """(28, 28) uint8: what the network is given where one stops here."""
        return self.picture if self.picture.shape == (stages.SIDE, stages.SIDE) else stages.squeezed(self.picture)


@dataclass(frozen=True, eq=False)
class Way:
    """All stages of one picture."""

    stages: tuple[Stage, ...]
    decided: Choices
    """What was done, with nothing left open: to begin adjusting from."""
    is_blank: bool
    """Nothing stands out from the background: whatever comes out means nothing."""

    @property
    def picture(self) -> npt.NDArray[np.uint8]:
        """(28, 28) uint8: what the network sees."""
        return self.stages[-1].picture


def prepare(brought: Brought, choices: Choices, likeness: Likeness) -> Way:
    """Take a picture all the way; what `choices` leaves open is decided by the picture."""
    done: list[Stage] = []

    def keep(name: StageName, picture: npt.NDArray[np.uint8] | npt.NDArray[np.float32], said: str) -> None:
        shown = picture if picture.dtype == np.uint8 else np.clip(picture.astype(np.float32) + 0.5, 0, 255)
        done.append(Stage(name, shown.astype(np.uint8, copy=False), said))

    size = f"{brought.width:,} x {brought.height:,} pixels, {brought.format}."
    keep("as brought", brought.pixels, " ".join((size, *brought.notes)))
    pixels, alpha = brought.pixels, brought.alpha
    if choices.upright and brought.orientation != 1:
        pixels = stages.upright(pixels, brought.orientation)
        alpha = None if alpha is None else stages.upright(alpha, brought.orientation)
        keep(
            "upright", pixels, f"The camera says that it was held another way (EXIF orientation {brought.orientation})."
        )
    elif brought.orientation != 1:
        keep("upright", pixels, "Left as it lies in the file, though the camera says that it was held another way.")
    else:
        keep("upright", pixels, "Nothing to turn: the file says nothing of another orientation.")
    luminance = stages.gray(pixels)
    keep("gray", luminance, "One number per pixel: 0.299 red + 0.587 green + 0.114 blue.")

    behind = stages.backdrop(pixels)
    distance = stages.distance_from(pixels, behind)
    if alpha is not None:
        distance = np.where(alpha < 128, 0, np.maximum(distance, 0.5)).astype(np.float32)
    is_blank = bool(distance.max() < BLANK)
    threshold = stages.threshold_of(distance) if choices.threshold is None else choices.threshold
    mask = stages.garment(distance, threshold) if threshold else np.ones(distance.shape, bool)
    background = stages.gray(behind)
    how = "Chosen by you" if choices.threshold is not None else "Chosen from how the distances are spread (Otsu)"
    keep(
        "background removed",
        np.where(mask[:, :, None], pixels, 0),
        "Transparent in the file."
        if alpha is not None and choices.threshold is None
        else f"Kept: what differs by {100 * threshold:.0f} % or more from the colour along the edges, "
        f"{100 * mask.mean():.0f} % of the picture. {how}."
        if threshold
        else "Everything is kept.",
    )

    darker, inside, around = stages.is_darker(luminance, background, mask)
    negate = darker if choices.negate is None else choices.negate
    amount = stages.ink(luminance, background, mask, negate=negate)
    if choices.negate is None:
        said = (
            f"The garment is {'darker' if darker else 'lighter'} than its background ({inside:.0f} against {around:.0f} of "
            f"255), so {'dark becomes light' if darker else 'light stays light'}. The background becomes 0."
        )
    else:
        said = "Dark becomes light, as you chose." if negate else "Light stays light, as you chose."
    keep("light on dark", amount, said)

    angle, tried = (choices.angle, 0.0) if choices.angle is not None else straightest(amount, choices, likeness)
    amount = stages.turned(amount, angle)
    by = f"{signed(angle, 1)}°"
    if choices.angle is not None:
        said = f"Turned by {by}, as you chose."
    elif angle:
        said = (
            f"Turned by {by}: of {len(ANGLES)} angles up to {ANGLES[-1]}° the one that comes nearest to a training "
            f"picture ({100 * tried:.0f} % nearer than before)."
        )
    else:
        said = f"Not turned: none of {len(ANGLES)} angles up to {ANGLES[-1]}° comes nearer to the training pictures."
    keep("straightened", amount, said)

    height, width = amount.shape
    if choices.crop is None:
        edges = stages.box(amount > FAINT)
        said = "To the smallest box around the garment, as the data set's own pictures were trimmed."
    else:
        left, top, right, bottom = choices.crop
        edges = (round(left * width), round(top * height), round(right * width), round(bottom * height))
        edges = (edges[0], edges[1], max(edges[2], edges[0] + 1), max(edges[3], edges[1] + 1))
        said = "To your box."
    amount = stages.cropped(amount, edges)
    keep("cropped", amount, said)
    amount = stages.shrunk(amount, sharpen=choices.sharpen)
    keep(
        "longest side 28",
        amount,
        f"{amount.shape[1]} x {amount.shape[0]} pixels, each the mean of those that it stands for"
        + (", then sharpened." if choices.sharpen else "."),
    )
    amount = stages.centred(amount)
    keep("centred", amount, "In the middle of 28 x 28 black pixels.")
    if choices.stretch:
        highest = amount.max()
        amount = stages.stretched(amount)
        said = f"The brightest pixel was {highest:.0f} and becomes 255, as in the training pictures."
    else:
        said = f"Left as it is; the brightest pixel is {amount.max():.0f}, in the training pictures 254 or 255."
    keep("stretched", amount, said)

    here, there = likeness.distance(np.stack([done[-1].picture, done[-1].picture[:, ::-1]]))
    mirror = bool(there < MIRROR_AT * here) if choices.mirror is None else choices.mirror
    if choices.mirror is not None:
        said = "Mirrored, as you chose." if mirror else "Not mirrored, as you chose."
    elif mirror:
        said = (
            f"The mirror image is nearer to the training pictures (distance {there:.1f} against {here:.1f}): in the data, "
            "shoes point left."
        )
    else:
        said = (
            f"Not mirrored: the mirror image is not clearly nearer to the training pictures ({there:.1f}, {here:.1f})."
        )
    keep("mirrored", amount[:, ::-1] if mirror else amount, said)
    crop = choices.crop or (edges[0] / width, edges[1] / height, edges[2] / width, edges[3] / height)
    decided = Choices(
        upright=choices.upright,
        threshold=min(threshold, 1.0),
        negate=negate,
        angle=angle,
        crop=crop,
        sharpen=choices.sharpen,
        stretch=choices.stretch,
        mirror=mirror,
    )
    return Way(tuple(done), decided, is_blank)


def straightest(amount: Gray, choices: Choices, likeness: Likeness) -> tuple[float, float]:
    """The angle of `ANGLES` with which the picture, or its mirror image, comes nearest to a training picture.

    With it, by which share it is nearer than unturned. `amount`: (H, W), ink from 0 to 255.
    """
    small = stages.cropped(amount, stages.box(amount > FAINT))
    scale = min(1.0, TRIED_AT / max(small.shape))
    size = (max(1, round(small.shape[1] * scale)), max(1, round(small.shape[0] * scale)))
    small = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BOX))
    finish: Callable[[Gray], Gray] = stages.stretched if choices.stretch else lambda picture: picture
    turned = []
    for angle in ANGLES:
        picture = stages.turned(small, angle)
        inside = stages.cropped(picture, stages.box(picture > FAINT))
        turned.append(finish(stages.centred(stages.shrunk(inside, sharpen=choices.sharpen))))
    candidates = np.rint(np.stack(turned)).astype(np.uint8)  # (angles, 28, 28)
    distances = likeness.distance(candidates)
    if choices.mirror is None:
        distances = np.minimum(distances, likeness.distance(candidates[:, :, ::-1]))
    upright = distances[ANGLES.index(0.0)]
    best = int(distances.argmin())
    return ANGLES[best], float(1 - distances[best] / max(upright, 1e-6))

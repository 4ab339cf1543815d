"""From a photograph to the 28 x 28 numbers that a network reads, one function a stage.

The order and most of the stages are those by which the data set itself was made (Xiao, Rasul and Vollgraf, 2017,
"Fashion-MNIST", section 2: trim, resize the longest edge to 28, sharpen, extend to 28 x 28 and centre, negate, gray).
A photograph needs more: it has to stand upright, its background is not white, and the garment is not alone in it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Gray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

SIDE = 28
COARSE = 128
"""Pixels of the longer side on which the garment's outline is looked for."""
LEAST_THRESHOLD = 0.05
"""Share of the largest possible distance in colour; the data set's own trimming used 5 %."""


def upright(pixels: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn and mirror as EXIF's `orientation` (1 to 8) says: (H, W, …) or (W, H, …) uint8.

    >>> upright(np.array([[1, 2], [3, 4]], np.uint8), 6).tolist()
    [[3, 1], [4, 2]]
    """
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def gray(pixels: npt.NDArray[np.generic]) -> Gray:
    """Luminance, (H, W) float32 from 0 to 255, of RGB (H, W, 3), 0 to 255 (ITU-R BT.601, as Pillow's "L")."""
    luminance: Gray = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return luminance


# --- The background ------------------------------------------------------------------------------------------------


def backdrop(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """What the picture (H, W, 3) would be without the garment: a plane for each channel, (H, W, 3) float32.

    Fitted to a frame of 4 % along the edges by least squares; thrice, each time without what lies far off, so that a
    garment that touches the edge does not count.
    """
    height, width = pixels.shape[:2]
    frame = max(1, round(0.04 * min(height, width)))
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    edge = np.ones((height, width), bool)
    edge[frame : height - frame, frame : width - frame] = False
    at_row, at_column = np.nonzero(edge)
    known = np.stack([np.ones(len(at_row), np.float32), rows[at_row], columns[at_column]], axis=1)  # (E, 3)
    seen = pixels[edge].astype(np.float32)  # (E, 3 channels)
    counts = np.ones(len(seen), bool)
    plane = np.zeros((3, 3), np.float32)
    plane[0] = np.median(seen, axis=0)
    for _ in range(3):
        off = np.abs(seen - known @ plane).max(axis=1)
        counts = off <= max(12.0, 2.5 * float(np.median(off)))
        part = known[counts]
        plane = np.linalg.solve(part.T @ part + 1e-3 * np.eye(3, dtype=np.float32), part.T @ seen[counts])
    whole: npt.NDArray[np.float32] = (plane[0] + rows[:, None] * plane[1])[:, None] + columns[:, None] * plane[2]
    return np.clip(whole, 0, 255)


def distance_from(pixels: npt.NDArray[np.uint8], background: npt.NDArray[np.float32]) -> Gray:
    """How far each pixel's colour is from the background's, (H, W) float32 from 0 to 1 (black on white)."""
    apart = pixels.astype(np.float32) - background
    distance: Gray = np.sqrt(np.einsum("hwc,hwc->hw", apart, apart) / (3 * 255**2))
    return distance


def threshold_of(distance: Gray) -> float:
    """The distance from which on a pixel belongs to the garment, 0 to 1: three tenths of Otsu's threshold.

    Otsu, 1979, "A Threshold Selection Method from Gray-Level Histograms": the split that leaves least variance within
    both parts. It runs between the light and the dark parts of a garment rather than around both, hence three tenths of
    it; never less than `LEAST_THRESHOLD`, nor than the noise along the edges.
    """
    counts, ends = np.histogram(distance, 128, (0.0, max(float(distance.max()), 1e-6)))
    middles = (ends[:-1] + ends[1:]) / 2
    below = np.cumsum(counts)
    sums = np.cumsum(counts * middles)
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    otsu = float(ends[1:][np.nanargmax(np.nan_to_num(between))])
    edge = np.concatenate([distance[0], distance[-1], distance[:, 0], distance[:, -1]])
    noise = 4 * float(np.median(edge))
    return float(np.clip(max(0.3 * otsu, noise), LEAST_THRESHOLD, max(LEAST_THRESHOLD, otsu)))


def garment(distance: Gray, threshold: float) -> Mask:
    """Where the garment is, (H, W) bool: what lies at or beyond `threshold`, without specks and whatever else lies there.

    The largest connected part, and those at least a tenth as large; looked for on a coarser picture.
    """
    height, width = distance.shape
    whole = distance >= threshold
    scale = COARSE / max(height, width)
    size = (max(1, round(width * min(scale, 1))), max(1, round(height * min(scale, 1))))
    coarse = Image.fromarray(whole.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
    parts = connected(np.asarray(coarse) > 96)
    sizes = np.bincount(parts.ravel())
    if len(sizes) < 2:
        return whole
    sizes[0] = 0
    kept = np.flatnonzero(sizes >= max(1.0, 0.1 * sizes.max()))
    near = Image.fromarray(np.isin(parts, kept).astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(3))
    return whole & (np.asarray(near.resize((width, height), Image.Resampling.NEAREST)) > 0)


def connected(mask: Mask) -> npt.NDArray[np.int64]:
    """Number the connected parts of `mask`, (H, W) int64: 0 outside, then 1, 2, … (by edges and corners).

    >>> connected(np.array([[1, 1, 0, 0, 1]], bool)).tolist()
    [[1, 1, 0, 0, 2]]
    """
    height, width = mask.shape
    labels = np.zeros((height + 2, width + 2), np.int64)
    inner = labels[1:-1, 1:-1]
    inner[mask] = np.arange(1, mask.sum() + 1)
    far = mask.size + 1
    while True:
        spread = np.where(labels > 0, labels, far)
        rows = np.minimum(np.minimum(spread[:-2], spread[1:-1]), spread[2:])
        lowest = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
        # a number is also the place of another one: following it once halves the way that is left
        lowest = np.where(mask, lowest, 0)
        follow = np.concatenate([[0], lowest[mask]])
        follow = np.minimum(follow, follow[follow])
        lowest[mask] = follow[1:]
        if (lowest == inner).all():
            break
        inner[:] = lowest
    numbers = np.unique(inner[mask])
    return np.where(mask, np.searchsorted(numbers, inner) + 1, 0)


# --- Light on dark -------------------------------------------------------------------------------------------------


def ink(luminance: Gray, background: Gray, mask: Mask, *, negate: bool) -> Gray:
    """How far from the background, (H, W) float32 from 0 (background) to 255: light on black, as in the data set.

    `negate`: dark counts as much, as the data set did with its photographs on white; else light does.
    """
    darker, lighter = (
        (background - luminance) / np.maximum(background, 1),
        (luminance - background) / np.maximum(255 - background, 1),
    )
    amount = darker if negate else lighter
    return np.where(mask, np.clip(amount, 0, 1) * 255, 0).astype(np.float32)


def is_darker(luminance: Gray, background: Gray, mask: Mask) -> tuple[bool, float, float]:
    """Whether the garment is darker than its background; then the mean luminance of both, 0 to 255."""
    here = mask if mask.any() else np.ones_like(mask)
    inside, around = float(luminance[here].mean()), float(background[here].mean())
    return inside <= around, inside, around


# --- To 28 x 28 ----------------------------------------------------------------------------------------------------


def turned(picture: Gray, degrees: float) -> Gray:
    """Turn counterclockwise about the middle, (H', W') float32; large enough that nothing is cut off, 0 outside."""
    if not degrees:
        return picture
    return np.asarray(Image.fromarray(picture).rotate(degrees, Image.Resampling.BILINEAR, expand=True))


def box(mask: Mask) -> tuple[int, int, int, int]:
    """The smallest box around what is true: left, top, right, bottom, the last two exclusive; all of it where nothing is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return 0, 0, mask.shape[1], mask.shape[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def cropped(picture: Gray, edges: tuple[int, int, int, int]) -> Gray:
    """What lies within left, top, right, bottom."""
    left, top, right, bottom = edges
    return picture[top:bottom, left:right]


def shrunk(picture: Gray, *, sharpen: bool = True) -> Gray:
    """The longer side to 28 pixels, averaging; then sharpened, as the data set was. (h, w) float32, h or w is 28."""
    height, width = picture.shape
    scale = SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(np.rint(picture).astype(np.uint8)).resize(size, Image.Resampling.BOX)
    if sharpen:
        small = small.filter(ImageFilter.UnsharpMask(1, 100, 0))
    return np.asarray(small, np.float32)


def centred(picture: Gray) -> Gray:
    """In the middle of 28 x 28 black pixels."""
    height, width = picture.shape
    out = np.zeros((SIDE, SIDE), np.float32)
    top, left = (SIDE - height) // 2, (SIDE - width) // 2
    out[top : top + height, left : left + width] = picture
    return out


def stretched(picture: Gray) -> Gray:
    """The brightest pixel to 255: so it is in the data, at least 254 in 95 of 100 training pictures."""
    highest = float(picture.max())
    return picture * (255 / highest) if highest else picture


def squeezed(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """28 x 28 by force, (28, 28) uint8: what the network is given by those who stop here. `pixels`: RGB or gray, 0 to 255."""
    image = Image.fromarray(np.rint(pixels.astype(np.float64)).astype(np.uint8)).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))

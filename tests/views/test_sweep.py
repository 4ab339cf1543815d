"""A sweep as pictures: one setting is an axis, a grid of two a map, everything else lines."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from fmnist_core.settings import search
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.views.colours import RIGHT
from fmnist_core.views.sweep import ACCURACY, Try, along, heat_map, is_grid, parallel, varied

GRID = search.grid(TrainingConfig(), {"learning_rate": (0.001, 0.1), "weight_decay": (0.0, 0.0001)}, 3)


def test_every_combination_once_is_a_grid():
    """One that is missing, one more, or one twice is none."""
    assert varied(GRID) == ["learning_rate", "weight_decay"]
    assert is_grid(GRID)
    assert not is_grid(GRID[1:])
    assert not is_grid([*GRID, replace(GRID[0], learning_rate=0.5)])
    assert not is_grid([*GRID, GRID[0]])


def test_each_accuracy_stands_at_its_combination():
    """What is not measured yet stays empty; the best is outlined; no number has an exponent."""
    tries = [Try(f"Run {n}", config, 0.5 + n / 100, 1.0) for n, config in enumerate(GRID[:-1])]
    figure = heat_map(tries, GRID, "#000000")
    (cells,), (outline,) = figure.data, figure.layout.shapes
    assert cells.y == ("0.001", "0.01", "0.1")
    assert cells.x == ("0", "0.00001", "0.0001")
    assert [[value and round(value) for value in row] for row in cells.z] == [
        [50, 51, 52],
        [53, 54, 55],
        [56, 57, None],
    ]
    assert (outline.x0, outline.y0) == (0.5, 1.5)


def test_one_setting_is_an_axis():
    """Its values ascend at even distances, in whatever order the runs came; the best is marked."""
    rates = [replace(GRID[0], learning_rate=rate) for rate in (0.1, 0.001, 0.01)]
    figure = along([Try(f"Run {n}", config, 0.5 + n / 100, 1.0) for n, config in enumerate(rates)], "Run 2")
    (points,) = figure.data
    assert figure.layout.xaxis.categoryarray == ("0.001", "0.01", "0.1")
    assert (points.x, points.y) == (("0.1", "0.001", "0.01"), (50, 51, 52))
    assert [colour == RIGHT for colour in points.marker.color] == [False, False, True]


def test_lines_go_from_settings_to_accuracy():
    """One axis for each setting that differs, and one for the accuracy in percent."""
    (lines,) = parallel([Try("a", GRID[0], 0.5, 1.0), Try("b", GRID[-1], 0.75, 1.0)], "#000000").data
    assert [axis.label for axis in lines.dimensions] == ["Learning rate", "Weight decay", "Accuracy (%)"]
    assert list(lines.dimensions[-1]["values"]) == [50, 75]


def test_a_cells_number_can_be_read_on_every_colour():
    """White on the whole scale, 4.5:1 at least (WCAG 2.2, 1.4.3), in both themes: the cell hides the page behind it."""
    (cells,) = heat_map([Try("Run 1", GRID[0], 0.5, 1.0)], GRID, "#000000").data
    assert cells.textfont.color == "#ffffff"
    for (_, one), (_, other) in pairwise(ACCURACY):
        ends = [np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) for colour in (one, other)]
        for share in np.linspace(0, 1, 21):
            levels = (ends[0] + share * (ends[1] - ends[0])) / 255
            linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
            assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.5, (one, other, share)

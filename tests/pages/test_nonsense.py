"""Nonsense in the address, page by page: each parameter gets its default and a notice, whatever stands beside it."""

from __future__ import annotations

import re
from itertools import cycle, islice

import pytest

from tests.pages.conftest import HOSTILE, Open, Trained

Row = tuple[str, dict[str, str], tuple[str, ...]]
TABLE: list[Row] = [
    ("1_browse", {"view": "Batch"}, ("split", "batch_size", "seed", "batch")),
    ("1_browse", {"view": "All images"}, ("class", "page", "index")),
    ("1_browse", {}, ("view",)),
    ("2_image", {}, ("split", "index", "scale")),
    ("3_network", {}, ("conv1_channels", "dropout", "index", "layer")),
    ("4_train", {}, ("learning_rate", "epochs", "batch_size", "momentum", "optimizer", "device", "seed")),
    ("4_train", {}, ("schedule", "weight_decay", "shift", "flip", "architecture", "validation")),
    ("5_test", {"run": "first"}, ("view", "step", "true", "sample", "show", "as")),
    ("5_test", {"run": "first", "view": "matrix"}, ("predicted", "side", "numbers", "classes", "diagonal")),
    ("5_test", {"run": "first", "view": "matrix", "side": "Difference"}, ("against",)),
    ("5_test", {"run": "first", "view": "matrix", "true": "6"}, ("order", "page")),
    ("5_test", {"run": "first", "view": "mistakes"}, ("sort",)),
    ("5_test", {"run": "first", "view": "calibration"}, ("temperature", "bin")),
    ("5_test", {"run": "first", "view": "threshold"}, ("threshold", "which")),
    ("6_inside", {"run": "first"}, ("index", "view", "colours", "split")),
    ("6_inside", {"run": "first", "layer": "conv1"}, ("unit", "place")),
    ("8_compare", {"runs": "both"}, ("change", "log", "page", "class", "other", "cleaned", "view")),
    ("9_explore", {}, ("replicas", "vary", "rate", "epochs", "batch_size", "seed", "dropout")),
    ("9_explore", {"view": "sweep"}, ("sampler", "points", "learning_rate_low")),
    ("10_data", {}, ("view", "copies", "page")),
]
"""A page, what its address says rightly, and the parameters that are wrong, all at once."""


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.thorough) for first in range(1, len(HOSTILE)))]
)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[2][0]}")
def test_nonsense_is_answered_by_the_default(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, row: Row, first: int
):
    """Never an exception; a notice for each parameter, which is taken out of the address. In turn each has each value."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page_name, beside, names = row
    runs = {"first": trained.first, "both": f"{trained.first},{trained.second}"}
    address = {name: runs.get(word, word) for name, word in beside.items()}
    values = islice(cycle(HOSTILE), TABLE.index(row) + first, None)
    page = open_page(f"pages/{page_name}.py", **address, **dict(zip(names, values, strict=False)))
    assert not page.exception
    refused = [re.match(r"The address says (\w+) = ", warning.value) for warning in page.warning]
    assert sorted(match[1] for match in refused if match) == sorted(names)
    assert len(refused) == len(names)
    assert not {*names} & {*page.query_params}


@pytest.mark.parametrize(
    "value",
    [HOSTILE[1], *(pytest.param(value, marks=pytest.mark.thorough) for value in HOSTILE[2:])],
    ids=range(1, len(HOSTILE)),
)
@pytest.mark.parametrize(
    ("script", "beside", "name"),
    [
        ("4_train", {}, "rate_test"),
        ("6_inside", {"run": "first"}, "edits"),
        ("9_explore", {}, "race"),
        ("9_explore", {"view": "sweep"}, "sweep"),
    ],
)
def test_what_is_not_there_is_said(
    open_page: Open,
    trained: Trained,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    beside: dict[str, str],
    name: str,
    value: str,
):
    """A job, a sweep or an edit that the address names and that nobody knows: one sentence, never an exception."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    address = {word: trained.first if word == "run" else text for word, text in beside.items()}
    page = open_page(f"pages/{script}.py", **address, **{name: value})
    assert not page.exception
    assert len(page.warning) == 1

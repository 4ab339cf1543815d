"""How differences are written, and what `st.metric` makes of them."""

from __future__ import annotations

import ast

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import frame
from pages.parts.text import signed

WRITERS = {"fmnist_core/numbers.py", "pages/parts/components/matrix/__init__.py"}
"""They replace Python's hyphen by a minus."""


@pytest.mark.parametrize(
    ("difference", "less_is_better", "words", "colour", "arrow"),
    [
        (0.5, False, "+0.50 points", "GREEN", "UP"),
        (-0.5, False, "\u22120.50 points", "RED", "DOWN"),
        (0.5, True, "+0.50 points", "RED", "UP"),
        (-0.5, True, "\u22120.50 points", "GREEN", "DOWN"),
        (-0.001, False, "no change", "GRAY", "NONE"),
        (0.0, True, "no change", "GRAY", "NONE"),
    ],
)
def test_better_is_green_and_worse_is_red_with_a_real_minus(
    difference: float, less_is_better: bool, words: str, colour: str, arrow: str
):
    """Streamlit reads the direction off a hyphen and would paint U+2212 as a gain: the colour and the arrow are named."""

    def script(difference: float, less_is_better: bool) -> None:
        import streamlit as st

        from pages.parts.text import change

        st.metric("Accuracy", "90 %", **change(difference, 2, " points", less_is_better=less_is_better))

    page = AppTest.from_function(script, args=(difference, less_is_better)).run()
    assert not page.exception
    shown = page.metric[0].proto
    assert shown.delta == words
    assert shown.MetricColor.Name(shown.color) == colour
    assert shown.MetricDirection.Name(shown.direction) == arrow


def test_tables_scroll_within_themselves():
    """A number may be longer than a telephone is wide: every table of figures stands in a box that scrolls and shows that it does."""
    pages = {path: path.read_text(encoding="utf-8") for path in sorted((frame.ROOT / "pages").rglob("*.py"))}
    assert sum('<table class="figures">' in text for text in pages.values()) >= 5
    for path, text in pages.items():
        assert text.count('<table class="figures">') == text.count('<div class="scroll"><table class="figures">'), path


def test_whoever_shows_a_sign_shows_a_real_one():
    """Nothing has Python, Streamlit or Plotly write a sign, which write a hyphen for minus, or mends that by itself."""
    found = []
    for folder in ("pages", "fmnist_core"):
        for path in sorted((frame.ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                is_sign = isinstance(node, ast.Constant) and isinstance(node.value, str)
                mends = (
                    isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "replace"
                )
                if (is_sign and (node.value.startswith(("+.", "+,")) or ":+" in node.value or "%+" in node.value)) or (
                    mends and ast.unparse(node.args[0]) == "'-'" and ast.unparse(node.args[1]) in ("'\u2212'", "MINUS")
                ):
                    found.append(f"{path.relative_to(frame.ROOT)}:{node.lineno}")
    assert {place.partition(":")[0] for place in found} <= WRITERS, found
    assert signed(-0.26, 1) == "\u22120.3"

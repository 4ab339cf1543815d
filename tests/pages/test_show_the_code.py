"""What "Show the code" says is so: the cells run, the sources are those that run, and what is copied is clean."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pages.parts import show_the_code
from tests.pages.conftest import Open

ROOT = Path(__file__).parents[2]

PLOTLESS = """
import sys, types
class Anything:
    def __getattr__(self, name): return lambda *a, **k: Anything()
module = types.ModuleType("matplotlib.pyplot")
module.figure, module.plot = (lambda *a, **k: Anything()), (lambda *a, **k: None)
sys.modules["matplotlib"], sys.modules["matplotlib.pyplot"] = types.ModuleType("matplotlib"), module
"""
"""Stands in for Matplotlib, which nothing else here needs."""


def dotted_names() -> list[str]:
    """What pages name without importing it, for their button."""
    found = []
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "frame.page":
                code = next((keyword.value for keyword in node.keywords if keyword.arg == "code"), None)
                texts = [n.value for n in ast.walk(code) if isinstance(n, ast.Constant)] if code else []
                found += [text for text in texts if isinstance(text, str)]
    return found


def test_whatever_a_page_names_is_there():
    """A function that has moved is found where it is now."""
    names = dotted_names()
    assert len(names) > 10
    for name in names:
        assert show_the_code.source_of(name)[1]


def test_each_page_of_the_tutorial_has_its_cell():
    """Those that do by clicking what the notebook does."""
    assert set(show_the_code.cells()) == {"Browse", "Image", "Network", "Train", "Test"}


@pytest.mark.slow
def test_the_cells_run_one_after_the_other_and_learn(tmp_path: Path):
    """As a notebook would run them, on the real data, with 1,000 steps in place of twenty epochs: better than chance."""
    code = "\n".join(
        cell.code for page in ("Browse", "Image", "Network", "Train", "Test") for cell in show_the_code.cells()[page]
    )
    code = code.replace('root="./data"', f"root={str(ROOT / 'data')!r}").replace("train(20)", "train(1)")
    code = code.replace(
        "step % 1000 == 999:", "step == 999:\n                break\n            if step % 1000 == 999:"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{PLOTLESS}import torch\ntorch.manual_seed(0)\n{code}"],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    before, after = (
        float(line.split(":")[1].strip(" %"))
        for line in done.stdout.splitlines()
        if "Overall" in line or "before" in line
    )
    assert before < 25 < after


def test_the_dialog_has_both_and_copies_cleanly(open_page: Open):
    """The notebook's cell first, what runs here beside it; no invisible characters in code or names."""
    page = open_page("pages/4_train.py")
    page = page.button(key="show_code").click().run()
    assert not page.exception
    assert [tab.label for tab in page.tabs][:2] == ["The notebook’s cell", "What runs here"]
    code = [block.value for block in page.code]
    assert any("loss.backward()" in block and "averages" in block for block in code)
    assert any("def train(" in block and "state: TrainingState" in block for block in code)
    assert not any(hidden in text for text in [*code, *(c.value for c in page.caption)] for hidden in "\u2060\u200b")

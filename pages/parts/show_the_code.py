"""The button "Show the code": the notebook's cell beside what this page runs."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"


@dataclass(frozen=True)
class Cell:
    """A cell of the tutorial's notebook, corrected."""

    title: str
    code: str
    wrong: str
    """What the published one gets wrong, as Markdown; empty where it is right."""


@cache
def cells() -> dict[str, list[Cell]]:
    """The notebook's cells by the page where one does the same by clicking, from docs/tutorial.md.

    There, a heading of the third level names the page and the cell, as "Train: the training loop"; below it stand
    the code and what is wrong with the published one.
    """
    found: dict[str, list[Cell]] = {}
    text = TUTORIAL.read_text(encoding="utf-8")
    for section in re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL):
        page, _, title = section[0].partition(": ")
        code = re.search(r"```python\n(.*?)```\n?(.*)", section[1], re.DOTALL)
        if code:
            found.setdefault(page, []).append(Cell(title, code[1].rstrip(), code[2].strip()))
    return found


def button(page: str, code: tuple[object, ...]) -> None:
    """`page`: its title; `code`: what it runs, as `frame.page` takes it."""
    if st.button("Show the code", icon=":material/code:", type="tertiary", key="show_code"):
        _dialog(page, code)


@st.dialog("The code", width="large", icon=":material/code:")
def _dialog(page: str, code: tuple[object, ...]) -> None:
    if page not in cells():
        _sources(code)
        return
    notebook, here = st.tabs(["The notebook’s cell", "What runs here"])
    with notebook:
        for cell in cells()[page]:
            st.markdown(f"**{cell.title[:1].upper()}{cell.title[1:]}**")
            st.code(cell.code, language="python", wrap_lines=True)
            if cell.wrong:
                st.markdown(cell.wrong)
    with here:
        _sources(code)


def _sources(objects: Sequence[object]) -> None:
    for thing in objects:
        where, source = source_of(thing)
        st.caption(f"`{where}`")
        st.code(source, language="python", wrap_lines=True)


def source_of(thing: object) -> tuple[str, str]:
    """(where it stands, its source). A dotted name is read from its file without importing it."""
    if isinstance(thing, str):
        module, _, name = thing.rpartition(".")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ValueError(f"there is no module {module}")
        path = Path(spec.origin)
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                lines = text.splitlines()[first - 1 : node.end_lineno]
                return f"{path.relative_to(ROOT)}, line {first}", "\n".join(lines)
        raise ValueError(f"there is no {name} in {module}")
    target = inspect.unwrap(thing) if callable(thing) else thing
    lines, first = inspect.getsourcelines(target)  # type: ignore[arg-type]
    path = Path(inspect.getsourcefile(target) or "").resolve()  # type: ignore[arg-type]
    where = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return f"{where}, line {max(first, 1)}", "".join(lines).rstrip()

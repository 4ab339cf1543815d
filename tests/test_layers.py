"""The house's rules, read from the source: imports go down only, pages stay without torch, the menu is complete."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "fmnist_core": 0,
    "fmnist_core.files": 0,
    "fmnist_core.once": 0,
    "fmnist_core.numbers": 0,
    "fmnist_core.data": 0,
    "fmnist_core.settings": 1,
    "fmnist_core.networks": 1,
    "fmnist_core.evaluation": 2,
    "fmnist_core.inside": 3,
    "fmnist_core.training": 3,
    "fmnist_core.runs.files": 4,
    "fmnist_core.runs": 5,
    "fmnist_core.runs.service": 6,
    "fmnist_core.studies": 7,
    "fmnist_core.views": 8,
    "fmnist_core.lessons": 8,
    "fmnist_core.export": 8,
    "fmnist_core.terminal": 9,
    "fmnist_core.lab": 9,
    "fmnist_core.__main__": 10,
    "fmnist_core.runs.__main__": 10,  # another name of the terminal
    "pages.parts.streamlit_inside": 9,
    "pages.parts.server": 10,  # before the pages: knows none of them
    "pages": 11,
    "app": 11,
}
"""The floor of each folder: imports go down, or stay within the folder."""

SIDEWAYS = {
    ("fmnist_core.data", "fmnist_core.files"),
    ("fmnist_core.data", "fmnist_core.numbers"),
    ("fmnist_core.networks", "fmnist_core.settings"),  # a network is built from settings
    ("fmnist_core.inside", "fmnist_core.training"),  # predictions in C
    ("fmnist_core.export", "fmnist_core.views"),  # the curve's windows
    ("app", "pages"),
}
"""Folders on one floor of which the first may import the second."""

PURE = ("fmnist_core.views", "fmnist_core.settings", "fmnist_core.studies", "fmnist_core.inside", "fmnist_core.export")
"""Values in, values out: no torch, not even within functions."""

LIGHT_PAGES = ("app.py", "pages/*.py")
"""Pages that never need torch to be drawn."""


def source_files() -> list[Path]:
    return [path for folder in ("fmnist_core", "pages") for path in sorted((ROOT / folder).rglob("*.py"))] + [
        ROOT / "app.py"
    ]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(path: Path, *, at_the_top: bool) -> Iterator[str]:
    """As `_names`."""
    return iter(_names(path, at_the_top, path.stat().st_mtime_ns))


@cache
def _names(path: Path, at_the_top: bool, _written: int) -> tuple[str, ...]:
    """Dotted names that a file imports; `from a import b` gives "a" and "a.b". For type checkers only: left out.

    `at_the_top`: only what importing the file runs, that is, outside functions.
    """

    def visit(nodes: Iterable[ast.AST]) -> Iterator[str]:
        for node in nodes:
            match node:
                case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
                    yield from visit(node.orelse)
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if at_the_top:
                    pass
                case ast.Import():
                    yield from (alias.name for alias in node.names)
                case ast.ImportFrom():
                    assert node.level == 0, f"{path}: relative import"
                    yield node.module or ""
                    yield from (f"{node.module}.{alias.name}" for alias in node.names)
                case _:
                    yield from visit(ast.iter_child_nodes(node))

    return tuple(visit(ast.parse(path.read_text()).body))


def file_of(name: str) -> Path | None:
    """The file of a module of ours; None for all others."""
    path = ROOT.joinpath(*name.split("."))
    if name.split(".")[0] not in ("fmnist_core", "pages", "app"):
        return None
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)


def reachable(path: Path) -> dict[str, list[str]]:
    """All modules that importing `path` imports through our own files, with the way there."""
    found: dict[str, list[str]] = {}
    waiting = [(path, [path.name])]
    while waiting:
        current, way = waiting.pop()
        for imported in imported_names(current, at_the_top=True):
            parts = imported.split(".")
            for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):  # a package runs before its modules
                if name not in found:
                    found[name] = [*way, name]
                    if file := file_of(name):
                        waiting.append((file, found[name]))
    return found


def folder_of(name: str) -> str | None:
    """The folder of a module of ours, by its longest prefix in FLOORS; None for all others."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (prefix := ".".join(parts[:length])) in FLOORS:
            return prefix if prefix != "fmnist_core" or length == len(parts) else None
    return None


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", source_files(), ids=module_name)
def test_imports_go_down_only(path: Path):
    """No module imports one of a higher floor, not even within a function; sideways only where named."""
    module = module_name(path)
    own = folder_of(module)
    assert own is not None, f"{path.name} is on no floor: name its folder in FLOORS"
    for name in imported_names(path, at_the_top=False):
        if file_of(name) is None or name in ("fmnist_core", "pages.parts"):  # they hold a docstring alone
            continue
        other = folder_of(name)
        assert other is not None, f"{name} is on no floor: name its folder in FLOORS"
        is_named = (own, other) in SIDEWAYS
        assert own == other or FLOORS[other] < FLOORS[own] or is_named, f"{module} (in {own}) imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "fmnist_core").rglob("*.py")), ids=module_name)
def test_the_core_does_not_know_streamlit(path: Path):
    """A script, a notebook or another front end can use all of the core."""
    assert not any(within(name, "streamlit") for name in imported_names(path, at_the_top=False))


PURE_FILES = [path for path in source_files() if any(within(module_name(path), package) for package in PURE)]


@pytest.mark.parametrize("path", PURE_FILES, ids=module_name)
def test_pure_modules_stay_pure(path: Path):
    """Views, settings and events know no torch; views know neither runs nor training."""
    forbidden = ["torch", "torchvision"]
    if within(module_name(path), "fmnist_core.views"):
        forbidden += ["fmnist_core.runs", "fmnist_core.training.loop", "sqlite3"]
    for name in imported_names(path, at_the_top=False):
        assert not any(within(name, package) for package in forbidden), name


@pytest.mark.parametrize("path", sorted(p for pattern in LIGHT_PAGES for p in ROOT.glob(pattern)), ids=lambda p: p.name)
def test_light_pages_do_not_reach_torch(path: Path):
    """Importing them imports no torch, not even through something else: the web process stays small."""
    for name, way in reachable(path).items():
        assert name not in ("torch", "torchvision", "safetensors.torch"), " -> ".join(way)


def test_no_page_imports_torch():
    """Networks are computed with NumPy, in C, or in processes of their own."""
    for path in (ROOT / "pages").rglob("*.py"):
        assert "torch" not in reachable(path), path
        assert not any(within(name, "torch") for name in imported_names(path, at_the_top=False)), path


def test_the_client_really_comes_without_torch():
    """What the source promises, a fresh process keeps: everything that pages import leaves torch out."""
    ours = {
        name
        for path in source_files()
        if module_name(path).split(".")[0] in ("app", "pages")
        for name in reachable(path)
    }
    modules = sorted(name for name in ours if within(name, "fmnist_core") and file_of(name))
    assert "fmnist_core.runs.client" in modules
    code = f"import sys\nfor name in {modules!r}: __import__(name)\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_only_processes_that_may_die_of_it_know_ray():
    """Ray ends the process that is connected when its head dies: neither dispatcher nor web server is one."""
    ours = {module_name(path) for path in source_files() if "ray" in imported_names(path, at_the_top=False)}
    assert ours == {f"fmnist_core.runs.service.cluster.{name}" for name in ("connection", "proxy", "watch")}


def test_every_page_is_on_the_menu():
    """Each script in pages/ has its line in the menu, each line its script, in the order of their numbers."""
    from pages.parts.frame import HOME, STEPS

    on_the_menu = [step.script for step in STEPS]
    scripts = sorted((ROOT / "pages").glob("*.py"), key=lambda path: int(path.name.split("_")[0]))
    there = [path.relative_to(ROOT).as_posix() for path in scripts]
    assert on_the_menu == there
    assert (ROOT / HOME.script).is_file()


def test_streamlit_gives_each_page_the_address_that_we_promise():
    """Numbers give the order, the address drops them: /browse, /image and so on."""
    from streamlit.source_util import page_icon_and_name

    from pages.parts.frame import STEPS

    for step in STEPS:
        assert page_icon_and_name(ROOT / step.script)[1] == step.title.lower()


def test_links_to_pages_are_made_in_one_place():
    """`address.link` keeps what the page is embedded with; an address that a page writes out itself loses it."""
    from pages.parts.frame import STEPS

    written = re.compile(rf"""["'](?:{"|".join(step.title.lower() for step in STEPS)})\?[a-z_]+=""")
    pages = (path for kind in ("*.py", "*.js") for path in (ROOT / "pages").rglob(kind))
    sources = [ROOT / "app.py", *(path for path in pages if path.name != "address.py")]
    assert written.search('f"test?run={run.id}"')
    found = {path.name: hit[0] for path in sources if (hit := written.search(path.read_text()))}
    assert found == {}


def test_no_file_is_longer_than_400_lines():
    """A file that grows beyond that holds more than one thing."""
    files = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    files += [*source_files(), *(ROOT / "pages").rglob("*.js")]
    assert {path.name: n for path in files if (n := len(path.read_text().splitlines())) > 400} == {}


# --- The rules themselves ------------------------------------------------------------------------------------------


def test_the_reader_of_imports_misses_nothing(tmp_path: Path):
    """Imports within classes, `try` and `if` count at the top; those in functions and for type checkers do not."""
    path = tmp_path / "example.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import torch\nelse:\n    import one\n"
        "try:\n    import two.deep\nexcept ImportError:\n    from three import four\n"
        "class A:\n    import five\n"
        "def f():\n    import six\n"
    )
    top = set(imported_names(path, at_the_top=True))
    assert top == {"typing", "typing.TYPE_CHECKING", "one", "two.deep", "three", "three.four", "five"}
    assert set(imported_names(path, at_the_top=False)) == top | {"six"}


def test_torch_is_found_where_it_is():
    """`reachable` finds torch behind the training module, so its silence elsewhere means something."""
    assert "torch" in reachable(ROOT / "fmnist_core" / "training" / "loop.py")
    assert reachable(ROOT / "fmnist_core" / "runs" / "service" / "recorder.py")["torch"]

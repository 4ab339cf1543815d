"""How the library comes about, and what happens where it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fmnist_core.training.compiled import engine, library
from fmnist_core.training.compiled.__main__ import main as compile_now


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    """A cache folder with no library in it; compiling takes less time than with all optimisation."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(library, "FLAGS", ("-O1", *library.FLAGS[1:]))
    return tmp_path / "cache"


def test_is_compiled_when_asked_and_only_then(empty_cache, capsys):
    """`find` never compiles; `python -m fmnist_core.training.compiled` does, once, and leaves nothing but the library."""
    assert library.is_wanted()
    assert library.find() is None
    assert compile_now() == 0
    assert capsys.readouterr().out.startswith("Compiling")
    assert [path for path in empty_cache.rglob("*") if path.is_file()] == [library.find()]
    assert compile_now() == 0
    assert capsys.readouterr().out == ""


def test_switched_off(empty_cache, monkeypatch, capsys):
    """FMNIST_COMPILED=0: nothing is compiled, nothing is used."""
    monkeypatch.setenv("FMNIST_COMPILED", "0")
    assert compile_now() == 0
    assert "FMNIST_COMPILED=0" in capsys.readouterr().out
    assert engine.prepare() is None
    assert engine.find() is None
    assert not empty_cache.exists()


def test_no_compiler(empty_cache, monkeypatch, caplog):
    """Without a compiler there is a line in the log, and PyTorch's way."""
    monkeypatch.setenv("PATH", str(empty_cache))
    assert engine.prepare() is None
    assert "there is no C compiler" in caplog.text


def test_a_compiler_that_fails(empty_cache, tmp_path, monkeypatch, caplog):
    """What it said first is in the log."""
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'no such processor' >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert engine.prepare() is None
    assert "no such processor" in caplog.text
    assert library.find() is None


@pytest.mark.parametrize(
    ("name", "line", "otherwise"),
    [
        ("step.c", "weight - rate * gradient", "weight - 1.01f * rate * gradient"),
        ("predict.c", "mine->logits + n * CLASSES", "mine->logits + (n ^ 1) * CLASSES"),
    ],
)
def test_a_library_that_computes_something_else_is_refused(empty_cache, tmp_path, monkeypatch, name, line, otherwise):
    """A miscompiled library is found out by the check, is not used, and is not compiled again at each start."""
    sources = tuple(Path(shutil.copy(source, tmp_path)) for source in library.SOURCES)
    text = (tmp_path / name).read_text()
    assert line in text
    (tmp_path / name).write_text(text.replace(line, otherwise))
    monkeypatch.setattr(library, "SOURCES", sources)
    with pytest.raises(library.NotCompiled, match="PyTorch"):
        library.build(lambda path: engine.check(engine.load(path)))
    assert library.find() is None
    with pytest.raises(library.NotCompiled, match="to try again"):
        library.build(lambda _path: pytest.fail("compiled again"))


def test_a_library_that_cannot_be_loaded(empty_cache):
    """A damaged file is no library: training goes PyTorch's way."""
    library.path().parent.mkdir(parents=True)
    library.path().write_bytes(b"not a library")
    assert engine.find() is None

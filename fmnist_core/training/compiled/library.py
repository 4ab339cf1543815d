"""Compiles our C, once for each processor and version of the source: the training step with predictions, and layouts. No torch.

The library is for this very processor (`-march=native`), so it is kept in the user's cache folder under a name that is made
of the source, the flags and the processor: another machine that shares the folder has one of its own. The compiler is not
in the name: a library stays when a compiler is updated, and with it a run's results to the last bit.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from fmnist_core.data import dataset

SOURCES = tuple(
    Path(__file__).parent / name for name in ("step.c", "predict.c", "backward.h", "forward.h", "layout.h", "network.h")
)
NEIGHBOURS = (Path(__file__).parent / "neighbours.c",)
"""A library of its own: it has nothing to do with a run's results, and changes without them."""
FLAGS = ("-O3", "-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC", "-pthread")
"""Nothing that reorders sums or assumes finite numbers: a run that diverges must be seen to."""
NATIVE = {"arm64": "-mcpu=native", "aarch64": "-mcpu=native"}
COMPILERS = ("cc", "gcc", "clang")
TIME_LIMIT = 60.0
"""Seconds that compiling may take."""


class Job(ctypes.Structure):
    """`Job` in network.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("channels1", "channels2", "hidden", "batch", "images", "threads")),
        *((name, ctypes.c_void_p) for name in ("pixels", "labels", "order", "levels", "kept", "rates")),
        ("parameters", ctypes.c_void_p * 8),
        ("momenta", ctypes.c_void_p * 8),
        ("losses", ctypes.c_void_p),
        *((name, ctypes.c_double) for name in ("dropout", "smoothing", "momentum", "decay")),
        ("nesterov", ctypes.c_int64),
    )


class NotCompiled(RuntimeError):
    """Why there is no library: training goes PyTorch's way."""


def is_wanted() -> bool:
    """Whether FMNIST_COMPILED leaves the compiled step switched on, as it is by default."""
    return os.environ.get("FMNIST_COMPILED", "1") != "0"


def path(sources: Sequence[Path] | None = None) -> Path:
    """Where the library of these sources (by default `SOURCES`) and this processor is, or would be."""
    sources = sources or SOURCES
    return dataset.cache_folder() / "compiled" / f"{sources[0].stem}-{fingerprint(sources)}.so"


def fingerprint(sources: Sequence[Path] | None = None) -> str:
    """Of these sources (by default `SOURCES`), the flags and this processor: with another one, sums may be rounded otherwise."""
    texts = (source.read_text() for source in sources or SOURCES)
    words = [*texts, *FLAGS, platform.system(), platform.machine(), _processor()]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def find(sources: Sequence[Path] | None = None) -> Path | None:
    """The library, where it was compiled and checked. Never compiles."""
    return path(sources) if is_wanted() and path(sources).exists() else None


@cache
def load(path: Path) -> ctypes.CDLL:
    """Raises NotCompiled where the system cannot load it."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NotCompiled(f"{path} cannot be loaded: {error}") from error


def compiler() -> str | None:
    """The path of one, where there is one."""
    return next(filter(None, map(shutil.which, COMPILERS)), None)


def build(check: Callable[[Path], None], sources: Sequence[Path] | None = None) -> Path:
    """The library; compiled where it is missing, and put in its place once `check` has let it pass.

    `check` raises NotCompiled for a library that computes something else than it should. So does this function, where
    there is no compiler, where it fails, and where a library of the same source was refused before.
    """
    target = path(sources)
    refused = target.with_suffix(".refused")
    if target.exists():
        return target
    if refused.exists():
        raise NotCompiled(f"{refused.read_text(errors='replace').strip()} (delete {refused} to try again)")
    if not (program := compiler()):
        raise NotCompiled(f"there is no C compiler: none of {', '.join(COMPILERS)} was found")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            made = Path(folder) / target.name
            _compile(program, made, sources or SOURCES)
            try:
                check(made)
            except NotCompiled as error:
                refused.write_text(f"{error}\n")
                raise
            made.replace(target)  # complete or not there: another process may look for it now
    except OSError as error:
        raise NotCompiled(f"{target.parent} cannot be written to: {error}") from error
    return target


def _compile(program: str, target: Path, sources: Sequence[Path]) -> None:
    native = NATIVE.get(platform.machine(), "-march=native")
    units = (str(source) for source in sources if source.suffix == ".c")
    command = [program, *FLAGS, native, *units, "-o", str(target), "-lm"]
    try:
        subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=TIME_LIMIT)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or "").strip().splitlines()
        raise NotCompiled(f"{program} failed: {said[0] if said else f'status {error.returncode}'}") from error
    except subprocess.TimeoutExpired as error:
        raise NotCompiled(f"{program} took longer than {TIME_LIMIT:.0f} s") from error


@cache
def _processor() -> str:
    """Its name and what it can do, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    wanted = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU implementer", "CPU part")
    found = {name: value for name, _, value in (line.partition(":") for line in lines) if name.strip() in wanted}
    return "\n".join(f"{name.strip()}:{value}" for name, value in sorted(found.items()))

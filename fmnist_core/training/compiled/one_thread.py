"""NumPy's products of matrices on the thread that asks for them, where NumPy brings OpenBLAS."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

PREFIX, SUFFIX = "scipy_openblas_", "_num_threads64_"


@functools.cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """How many threads it uses, and setting that; None where NumPy has another library."""
    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*"):
        try:
            found = ctypes.CDLL(str(path))
            return getattr(found, f"{PREFIX}get{SUFFIX}"), getattr(found, f"{PREFIX}set{SUFFIX}")
        except (OSError, AttributeError):
            continue
    return None


@contextmanager
def one_thread() -> Iterator[None]:
    """For many small products: two threads that wait for each other at each of them took three times as long as one.

    It holds for the process; where several threads ask at once, one of them may already have given it back.
    """
    if (found := _openblas()) is None:
        yield
        return
    get, set_to = found
    before = get()
    set_to(1)
    try:
        yield
    finally:
        set_to(before)

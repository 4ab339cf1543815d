"""NumPy's products of matrices on the thread that asks for them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """For many small products: two threads that wait for each other at each of them took three times as long as one.

    It holds for the process; where several threads ask at once, one of them may already have given it back.
    """
    with _libraries().limit(limits=1):
        yield


@functools.cache
def _libraries() -> ThreadpoolController:
    """Those that multiply matrices, of all that this process has loaded: to look for them takes 10 ms."""
    return ThreadpoolController().select(user_api="blas")

"""Computing once what is asked for again with the same values: a page draws the same chart at every rerun."""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def once(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Keep what a function gave for the `most` arguments that were asked for last.

    What counts is the values, also those within arrays, dictionaries and dataclasses, not which objects hold them. For
    functions of values alone, whose results nobody changes.

    >>> @once(8)
    ... def mean(values):
    ...     print("computed")
    ...     return sum(values) / len(values)
    >>> mean([1, 2]), mean([1, 2])
    computed
    (1.5, 1.5)
    """

    def keeping(function: Callable[P, T]) -> Callable[P, T]:
        kept: OrderedDict[bytes, T] = OrderedDict()
        lock = Lock()

        @wraps(function)
        def ask(*values: P.args, **named: P.kwargs) -> T:
            key = hashlib.blake2b(pickle.dumps((values, named), 5)).digest()
            with lock:
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
            found = function(*values, **named)
            with lock:
                kept[key] = found
                while len(kept) > most:
                    kept.popitem(last=False)
            return found

        return ask

    return keeping

"""NumPy's small products do not wait for a second thread."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core.training.compiled import one_thread
from fmnist_core.training.compiled.predict import LEVELS, with_numpy


def threads() -> set[int]:
    """That each library which multiplies matrices would use, of those that were there when it was first asked."""
    return {library["num_threads"] for library in one_thread._libraries().info()}


def test_one_thread_and_back():
    """Predictions without a compiler compute on one thread; afterwards as many as before are used, also after an error."""
    with one_thread._libraries().limit(limits=2):
        if threads() != {2}:
            pytest.skip("nothing multiplies matrices here on as many threads as it is told to")
        context = one_thread.one_thread()
        assert threads() == {2}
        context.__enter__()
        assert threads() == {1}
        assert not context.__exit__(KeyError, KeyError(), None)
        assert threads() == {2}
        seen: list[set[int]] = []

        class Watched(dict[str, np.ndarray]):
            def __getitem__(self, name: str) -> np.ndarray:
                seen.append(threads())
                return super().__getitem__(name)

        shapes = {
            "conv1.weight": (3, 1, 3, 3), "conv2.weight": (4, 3, 3, 3), "fc1.weight": (5, 100), "fc2.weight": (10, 5),
            "conv1.bias": (3,), "conv2.bias": (4,), "fc1.bias": (5,), "fc2.bias": (10,),
        }  # fmt: skip
        weights = Watched({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        with_numpy(weights, np.zeros((1, 28, 28), np.uint8), LEVELS)
        assert {1} in seen
        assert threads() == {2}

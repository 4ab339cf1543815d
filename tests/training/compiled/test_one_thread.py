"""NumPy's small products do not wait for a second thread."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core.training.compiled import one_thread
from fmnist_core.training.compiled.predict import LEVELS, with_numpy


def test_one_thread_and_back():
    """Predictions without a compiler compute on one thread; afterwards as many as before are used, also after an error."""
    if (found := one_thread._openblas()) is None:
        pytest.skip("NumPy has no OpenBLAS of its own here")
    get, set_to = found
    usual = get()
    set_to(2)
    try:
        context = one_thread.one_thread()
        context.__enter__()
        assert get() == 1
        assert not context.__exit__(KeyError, KeyError(), None)
        assert get() == 2
        seen: list[int] = []

        class Watched(dict[str, np.ndarray]):
            def __getitem__(self, name: str) -> np.ndarray:
                seen.append(get())
                return super().__getitem__(name)

        shapes = {
            "conv1.weight": (3, 1, 3, 3), "conv2.weight": (4, 3, 3, 3), "fc1.weight": (5, 100), "fc2.weight": (10, 5),
            "conv1.bias": (3,), "conv2.bias": (4,), "fc1.bias": (5,), "fc2.bias": (10,),
        }  # fmt: skip
        weights = Watched({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
        with_numpy(weights, np.zeros((1, 28, 28), np.uint8), LEVELS)
        assert 1 in seen
        assert get() == 2
    finally:
        set_to(usual)


def test_without_openblas(monkeypatch: pytest.MonkeyPatch):
    """Where NumPy has another library, nothing is set."""
    monkeypatch.setattr(one_thread, "_openblas", lambda: None)
    with one_thread.one_thread():
        pass

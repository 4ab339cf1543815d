"""The compiled training step, switched on for the tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import torch

from fmnist_core.data import dataset
from fmnist_core.training.compiled import engine, library
from fmnist_core.training.compiled.engine import Engine


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[Engine]:
    if not any(map(shutil.which, library.COMPILERS)):
        pytest.skip("no C compiler: training goes PyTorch's way")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNIST_COMPILED", "1")
        found = engine.prepare()
        assert found
        yield found


@pytest.fixture(scope="session")
def images() -> tuple[torch.Tensor, torch.Tensor]:
    split = dataset.load("train")
    return torch.tensor(split.images[:4000]), torch.tensor(split.labels[:4000]).long()

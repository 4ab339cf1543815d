"""What holds for all tests, and real predictions for those that count."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation, as_input, evaluate
from tests.dispatchers import Dispatchers
from tests.workshop import branched, elsewhere, whole_workshop, workshop

__all__ = ["branched", "elsewhere", "whole_workshop", "workshop"]

os.environ["FMNIST_COMPILED"] = "0"
"""Training goes PyTorch's way, unless a test asks for the compiled step: runs must last long enough to be disturbed."""
NOBODYS_RUNS = os.environ["FMNIST_RUNS"] = tempfile.mkdtemp(prefix="fmnist-tests-")
"""Never the runs of whoever tests, nor a dispatcher among them: a page that lists runs wakes one."""
atexit.register(shutil.rmtree, NOBODYS_RUNS, ignore_errors=True)


FAMILIES = {
    "tests/browser": "browser",
    "tests/pages/test_meetings.py": "meetings",
    "tests/pages": "pages",
    "tests/export": "workshop",
    "tests/terminal": "workshop",
    "tests/inside": "inside",
}
"""Tests that share something dear: a server and its browser, trained runs, trained networks."""
LONGEST = (*FAMILIES, "tests/runs", "tests/studies")
"""What begins first, so that nothing long is left for the end."""


def first_of(names: Iterable[str], file: str) -> str | None:
    """The first of `names` that is this file, or a folder around it."""
    return next((name for name in names if file == name or file.startswith(f"{name}/")), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; otherwise as they were found."""

    def place(item: pytest.Item) -> int:
        name = first_of(LONGEST, item.nodeid.partition("::")[0])
        return LONGEST.index(name) if name else len(LONGEST)

    items.sort(key=place)


class ByFamily(LoadFileScheduling):
    """One process takes all of a family, so that what its tests share is made once; everything else goes by file."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        name = first_of(FAMILIES, file)
        return FAMILIES[name] if name else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    """How several processes share the work, where it goes by file."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # by their number of tests
    return ByFamily(config, log)


@pytest.fixture(autouse=True)
def nothing_gives_way() -> Iterator[None]:
    """No test lowers the priority of the process for those that come after it: there is no way back, and they would starve."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


@pytest.fixture(scope="session")
def dispatchers() -> Iterator[Dispatchers]:
    """For tests that need runs, and do not look at how they are started."""
    dispatchers = Dispatchers()
    yield dispatchers
    dispatchers.close()


@pytest.fixture(scope="session")
def predictions() -> Evaluation:
    """Real ones: the tutorial's network after a short training, on all 10,000 test images."""
    import torch
    import torch.nn.functional as F

    from fmnist_core.networks.net import Net

    train, test = dataset.load("train"), dataset.load("test")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net()
        optimizer = torch.optim.Adam(net.parameters(), 0.004)
        images, labels = torch.tensor(train.images[:6_000]), torch.tensor(train.labels[:6_000]).long()
        for some in torch.randperm(len(labels)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(net(as_input(images[some])), labels[some]).backward()
            optimizer.step()
    return evaluate(net, torch.tensor(test.images), test.labels)

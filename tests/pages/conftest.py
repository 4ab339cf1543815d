"""Pages as Streamlit's own test runs them: the real scripts on the real data set, without a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.settings.config import TrainingConfig
from tests.conftest import NOBODYS_RUNS
from tests.dispatchers import Dispatchers

ROOT = Path(__file__).parents[2]
HOSTILE = ["-1", "1e20", "\0", "٣", "<img src=x>", "x" * 50_000]
"""What an address may bring instead of a small number or a known word."""


@pytest.fixture(scope="session", autouse=True)
def scanned_once() -> Iterator[None]:
    """Before each script AppTest has all installed packages searched for components: 0.2 of a page's 0.3 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session", autouse=True)
def nobodys_runs(dispatchers: Dispatchers) -> None:
    """What pages look at in tests that need no runs."""
    dispatchers.start(Path(NOBODYS_RUNS))


@dataclass(frozen=True)
class Trained:
    """A runs folder with two finished runs."""

    folder: Path
    first: str
    second: str


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, dispatchers: Dispatchers) -> Iterator[Trained]:
    """Two real runs of one epoch each, which differ in learning rate and seed; the dispatcher ends with the tests."""
    folder = tmp_path_factory.mktemp("runs")
    dispatchers.start(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNIST_RUNS", str(folder))
        first = client.start(TrainingConfig(batch_size=500, epochs=1, learning_rate=0.05), "A <b>bold</b> name")
        second = client.start(TrainingConfig(batch_size=500, epochs=1, learning_rate=0.01, seed=1))
        deadline = time.monotonic() + 400  # many tests may share the machine
        while any(client.get(run).is_active for run in (first, second)) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [client.get(run).state for run in (first, second)] == ["finished", "finished"]
    yield Trained(folder, first, second)
    dispatchers.end(folder)


Open = Callable[..., AppTest]


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dispatchers: Dispatchers) -> Iterator[Path]:
    """No runs, and a dispatcher that ends with the test, as do the runs that it has started: they would train beside the next ones."""
    folder = tmp_path / "runs"
    folder.mkdir()
    monkeypatch.setenv("FMNIST_RUNS", str(folder))
    dispatchers.start(folder)
    yield folder
    for run in folder.glob("*/config.json"):
        RunFolder(run.parent).ask("stop")
    dispatchers.end(folder)


@pytest.fixture
def open_page() -> Open:
    """`open_page("pages/5_test.py", run="…")` runs the page at that address; after the script, what shall be unfolded."""

    def open_it(script: str, *unfolded: str, **address: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in address.items():
            page.query_params[name] = value
        for key in unfolded:
            page.session_state[key] = True
        if script != "app.py":
            page.switch_page(script)
        return page.run()

    return open_it


def words(page: AppTest) -> str:
    """Everything that the page says in Markdown, captions, notices, headings and metrics."""
    elements = [*page.markdown, *page.caption, *page.subheader, *page.title]
    notices = [*page.info, *page.warning, *page.error]
    figures = [f"{metric.label} {metric.value}" for metric in page.metric]
    return "\n".join([str(element.value) for element in (*elements, *notices)] + figures)

"""The real app in a real Chromium. Skipped where there is none; FMNIST_BROWSER_TESTS=required makes that a failure."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, expect, sync_playwright

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from pages.parts.streamlit_inside import RUNNING, TRACEBACK
from tests.dispatchers import Dispatchers
from tests.runs.lab import PATIENCE

expect.set_options(timeout=60_000)  # instead of 5 s: a busy machine is no fault

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FIRST = "test_three_clicks_and_no_scrolling_to_a_network_that_trains[1440-900]"
"""The walk that `make test` takes, too."""
MOST_USED = ("test_three_clicks", "test_from_a_mistake_to_nine_numbers")
"""Those that `make check` takes."""
STREAMLITS_OWN = ("/_stcore/health", "/_stcore/host-config")
"""Streamlit looks for its server below the address of a page first, and is answered 404: not ours to mend."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is a browser test, and slow but for the walks most used."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            if not item.name.startswith(MOST_USED):
                item.add_marker(pytest.mark.slow)
            elif item.name != FIRST:
                item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        why = f"no Chromium found ({', '.join(NAMES)}): install one to run the browser tests"
        if os.environ.get("FMNIST_BROWSER_TESTS") == "required":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        yield from _launched(playwright, path)


def _launched(playwright: Playwright, path: str) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=path, args=list(SWITCHES))
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, dispatchers: Dispatchers) -> Iterator[Path]:
    """A runs folder with its dispatcher, which ends with the tests."""
    folder = tmp_path_factory.mktemp("runs")
    dispatchers.start(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNIST_RUNS", str(folder))
        yield folder
        for run in client.list_runs():
            if run.is_active:
                client.stop(run.id)
        while any(run.is_active for run in client.list_runs()):
            time.sleep(0.1)
    dispatchers.end(folder)


@pytest.fixture(scope="session")
def app(browser: Browser, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a fresh server."""
    port, log = free_port(), tmp_path_factory.mktemp("server") / "log"
    server = start_server(port, log)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(PATIENCE)
    assert "Traceback" not in log.read_text(), log.read_text()


def free_port() -> int:
    """Of 127.0.0.1."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def start_server(port: int, log: Path) -> subprocess.Popen[bytes]:
    """Returns once it answers."""
    with open(log, "ab") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    deadline = time.monotonic() + PATIENCE
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
            return server
        except OSError:
            time.sleep(0.2)


@pytest.fixture(scope="session")
def finished(app: str) -> str:
    """The id of a short run that has finished."""
    run_id = client.start(TrainingConfig(batch_size=600, epochs=1, learning_rate=0.05), "For every page")
    wait_for(run_id, "finished")
    return run_id


@pytest.fixture
def page(browser: Browser, app: str) -> Iterator[Page]:
    """A new browser window, 1440 pixels wide; errors in its console fail the test."""
    context = browser.new_context(base_url=app, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors = listen(page)
    yield page
    broken = page.locator(TRACEBACK).all_inner_texts()
    context.close()
    assert errors == []
    assert broken == []


def listen(page: Page) -> list[str]:
    """Collects what goes wrong in the browser."""
    errors: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(STREAMLITS_OWN):
            errors.append(f"{message.text} ({message.location['url']})")

    page.on("console", heard)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


def settled(page: Page) -> None:
    """Wait until the script has run and the page is drawn."""
    page.wait_for_selector("h1")
    page.wait_for_function("(running) => !document.querySelector(running)", arg=RUNNING)
    page.wait_for_timeout(300)


def wait_for(run_id: str, *states: str) -> Run:
    """The run, once it is in one of these states."""
    deadline = time.monotonic() + 600  # many may share the machine
    while (run := client.get(run_id)).state not in states:
        assert time.monotonic() < deadline, run
        time.sleep(0.1)
    return run

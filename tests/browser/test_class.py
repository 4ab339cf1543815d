"""A class behind its door, in real browsers: a teacher and two learners on one server."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from pages.parts.server.door import COOKIE
from tests.browser.conftest import ROOT, settled
from tests.runs.lab import PATIENCE

pytestmark = pytest.mark.slow


class Class:
    """A server started as `make class` starts it."""

    def __init__(self, log: Path, runs: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        ours = os.environ | {
            "FMNIST_RUNS": str(runs),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "LEARNERS": "room seven",
        }
        with open(log, "wb") as output:
            command = [sys.executable, "-m", "pages.parts.server.class_server"]
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=ours, stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 120
        while "You can now view" not in (said := log.read_text()):
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        self.address = f"http://127.0.0.1:{self.port}"
        self.teachers_word = re.search(r"Teachers' word: +(\S+)", said)[1]  # type: ignore[index]

    def come_in(self, browser: Browser, name: str, word: str, to: str = "/train") -> Page:
        page = browser.new_context(base_url=self.address, viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(120_000)
        page.goto(to)
        expect(page.get_by_role("heading", name="Fashion-MNIST Lab")).to_be_visible()
        page.get_by_label("Your name").fill(name)
        page.get_by_label("word").fill(word)
        page.get_by_role("button", name="Come in").click()
        settled(page)
        return page


@pytest.fixture(scope="module")
def school(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    school = Class(tmp_path_factory.mktemp("class") / "log", runs)
    yield school
    school.process.send_signal(signal.SIGINT)
    school.process.wait(PATIENCE)


def test_a_class_comes_in_and_stays_apart(browser: Browser, school: Class):
    """Each starts a run of their own; a learner cannot stop another's, a teacher can; the address that was asked for is kept."""
    ada = school.come_in(browser, "Ada", "room seven", "/browse?split=test&view=All+images")
    assert "/browse?split=test" in ada.url
    expect(ada.get_by_text("Ada")).to_be_visible()
    ben = school.come_in(browser, "Ben", "room seven")
    ben.get_by_role("button", name="Start training").click()
    ben.wait_for_url(re.compile(r"run=[0-9a-f]{12}"))
    run_id = re.search(r"run=([0-9a-f]{12})", ben.url)[1]  # type: ignore[index]
    run = client.get(run_id)
    assert run.owner == "Ben"
    assert run.owner_id

    ada.goto(f"/train?run={run_id}")
    settled(ada)
    expect(ada.get_by_text("Started by Ben. Only they and your teacher may change it")).to_be_visible()
    expect(ada.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    assert not client.get(run_id).stopping

    teacher = school.come_in(browser, "Ms Lovelace", school.teachers_word, f"/train?run={run_id}")
    teacher.get_by_role("button", name="Stop", exact=True).click()
    deadline = time.monotonic() + 120
    while client.get(run_id).is_active:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    for page in (ada, ben, teacher):
        page.context.close()


def test_without_the_word_nothing_is_served(browser: Browser, school: Class):
    """Pages, routes and a forged cookie: only the form, or 401."""
    run_id = client.start(TrainingConfig(epochs=1, step_limit=10))
    context = browser.new_context(base_url=school.address)
    context.add_cookies([{"name": COOKIE, "value": "forged.cookie.here", "url": school.address}])
    page = context.new_page()
    page.goto("/train")
    expect(page.get_by_label("Your name")).to_be_visible()
    for path in (f"/api/runs/{run_id}/events", "/_stcore/host-config"):
        assert (
            page.request.get(f"{school.address}{path}", headers={"x-fmnist-person": "[1]"}, max_redirects=0).status
            == 401
        )
    context.close()

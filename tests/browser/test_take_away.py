"""The menu Take away: a file is made on the click, a run folder comes back in, a report opens without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page

from fmnist_core.runs import client
from tests.browser.conftest import settled


def test_away_and_back(page: Page, browser: Browser, finished: str, tmp_path: Path):
    """From Test as a notebook and a report, from Train as a folder, which brought in is another run of the same."""
    page.goto(f"/test?run={finished}")
    settled(page)
    page.get_by_role("button", name="Take away").click()
    page.get_by_text(f"fashion-mnist-lab export {finished} notebook").wait_for()
    files = {}
    for name in ("notebook", "report"):
        with page.expect_download() as download:
            page.locator(f".st-key-take_away_{name} button").click()
        files[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(files[name])
    assert json.loads(files["notebook"].read_text())["nbformat"] == 4

    offline = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    report, asked = offline.new_page(), list[str]()
    report.on("request", lambda request: asked.append(request.url))
    report.goto(files["report"].as_uri())
    assert report.get_by_role("heading", name="For every page").is_visible()
    assert report.evaluate("[...document.images].every((image) => image.naturalWidth === 28)")
    assert report.evaluate("document.documentElement.scrollWidth") == 390
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}
    offline.close()

    page.goto(f"/train?run={finished}")
    settled(page)
    page.get_by_role("button", name="Take away").click()
    with page.expect_download() as download:
        page.locator(".st-key-take_away_archive button").click()
    download.value.save_as(tmp_path / "run.zip")
    page.keyboard.press("Escape")
    page.get_by_text("Bring a run").click()
    page.locator(".st-key-bring_a_run input[type=file]").set_input_files(tmp_path / "run.zip")
    page.wait_for_url(lambda address: "run=" in address and finished not in address)
    brought = re.findall("run=([0-9a-f]{12})", page.url)[0]
    assert client.get(brought).latest == client.get(finished).latest
    settled(page)
    assert page.get_by_role("heading", name="For every page").first.is_visible()
    client.delete(brought)

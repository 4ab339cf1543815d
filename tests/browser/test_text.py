"""Text from people in a browser: shown as it is, and nothing is fetched for it."""

from __future__ import annotations

from playwright.sync_api import Page, Request, expect

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from tests.browser.conftest import settled, wait_for

NAME = "![x](http://evil.example/a.png) www.evil.example a@evil.example <img src=//evil.example> :red[x] $x$"


def test_no_name_becomes_a_link_or_is_fetched(page: Page):
    """A run, its note and the person beside it may be called whatever Markdown would make of it."""
    asked: list[str] = []

    def heard(request: Request) -> None:
        if "evil" in request.url and not request.url.startswith(page.url.split("/", 3)[0] + "//127.0.0.1"):
            asked.append(request.url)

    page.on("request", heard)
    page.goto("/train")
    settled(page)
    page.get_by_role("button", name="You are").click()
    name = page.get_by_test_id("stPopoverBody").get_by_label("Name", exact=True)
    name.fill(NAME[:40])
    name.press("Enter")
    expect(page.get_by_text(f"You are {NAME[:9]}").first).to_be_visible()
    run_id = client.start(TrainingConfig(batch_size=600, epochs=1, step_limit=5), NAME[:80], owner=NAME)
    wait_for(run_id, "finished")
    for address in (f"/train?run={run_id}", "/", f"/test?run={run_id}", f"/compare?runs={run_id}@0,{run_id}"):
        page.goto(address)
        settled(page)
        assert page.locator('a[href*="evil"], img[src*="evil"]').count() == 0, address
    assert asked == []

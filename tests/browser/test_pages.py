"""Every page, light and dark, wide and narrow."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from pages.parts.streamlit_inside import CONTENT, TRACEBACK
from tests.browser.conftest import listen, settled

ADDRESSES = (
    "/",
    "/browse",
    "/browse?view=All+images",
    "/browse?view=Statistics",
    "/image",
    "/network",
    "/train?run={run}",
    "/test?run={run}",
    "/test?run={run}&view=matrix&side=Difference&numbers=rows&classes=similar",
    "/test?run={run}&view=mistakes",
    "/test?run={run}&view=calibration&fit=true&bin=8",
    "/test?run={run}&view=threshold",
    "/inside?run={run}",
    "/inside?run={run}&view=ledger",
    "/inside?run={run}&view=surgery",
    "/yours?run={run}",
    "/compare?runs={run}",
    "/compare?view=leaderboard",
    "/explore",
    "/explore?view=sweep",
    "/data",
    "/data?view=labels",
)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_scrolls_sideways_and_nothing_fails(browser: Browser, app: str, finished: str, theme: str, width: int):
    """No page is wider than the screen, raises, or writes an error into the console."""
    context = browser.new_context(
        base_url=app,
        color_scheme=theme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 844},
    )
    page = context.new_page()
    errors = listen(page)
    wide = []
    for address in ADDRESSES:
        page.goto(address.format(run=finished))
        settled(page)
        main = page.locator(CONTENT)
        if main.evaluate("(element) => element.scrollWidth > element.clientWidth"):
            wide.append(address)
        errors += page.locator(TRACEBACK).all_inner_texts()
    context.close()
    assert wide == []
    assert errors == []


def test_link_shows_the_same_in_another_browser(browser: Browser, app: str, finished: str):
    """A cell, a page of it and an order are in the address: a new browser shows the same pictures."""
    shown = []
    for _visit in range(2):
        context = browser.new_context(base_url=app)
        page = context.new_page()
        page.goto(f"/test?run={finished}&view=matrix&true=6&order=Doubtful&page=2")
        page.wait_for_selector("a.picture")
        settled(page)
        shown.append([link.get_attribute("href") for link in page.locator("a.picture").all()])
        context.close()
    assert len(shown[0]) == 20
    assert shown[0] == shown[1]

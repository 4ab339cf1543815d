"""Every page, light and dark, wide and narrow: nothing fails, nothing is too wide, and axe-core finds nothing serious."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from pages.parts.streamlit_inside import CONTENT, TRACEBACK
from tests.browser.conftest import listen, settled, wait_for

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


STREAMLITS_OWN = {
    "nested-interactive",  # a dataframe's canvas holds its own controls
    "scrollable-region-focusable",  # Streamlit's main area scrolls; its content takes the focus
}
"""Rules of axe-core that only Streamlit itself breaks here, and that we cannot mend."""
NOT_OURS = {"exclude": [['[data-testid="stMultiSelect"] input']]}
"""Streamlit's own element that breaks a rule which ours must keep: smaller than 24 pixels beside what is chosen."""
WIDE, NARROW = 1440, 390


@dataclass
class Tour:
    """What was found on all pages, each opened once."""

    sideways: list[str] = field(default_factory=list)
    """Addresses of pages that are wider than the screen."""
    errors: list[str] = field(default_factory=list)
    """What was raised, or written into the console."""
    violations: dict[str, set[str]] = field(default_factory=dict)
    """What axe-core calls serious or critical, by WCAG 2.2 up to AA, and where; on the wide screen alone."""


@pytest.fixture(scope="module")
def tour(browser: Browser, app: str, finished: str) -> Callable[[str, int], Tour]:
    """`tour("dark", WIDE)`."""

    @cache
    def taken(theme: Literal["light", "dark"], width: int) -> Tour:
        found = Tour()
        context = browser.new_context(base_url=app, color_scheme=theme, viewport={"width": width, "height": 844})
        page = context.new_page()
        page.set_default_timeout(60_000)
        console = listen(page)
        for address in ADDRESSES:
            page.goto(address.format(run=finished))
            settled(page)
            if page.locator(CONTENT).evaluate("(element) => element.scrollWidth > element.clientWidth"):
                found.sideways.append(address)
            found.errors += page.locator(TRACEBACK).all_inner_texts()
            if width == WIDE:
                for violation in violations(page):
                    found.violations.setdefault(violation, set()).add(address)
        found.errors += console
        context.close()
        return found

    return taken


def violations(page: Page) -> Iterator[str]:
    """Those of ours that axe-core calls serious or critical, with the first places."""
    options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
    for violation in Axe().run(page, NOT_OURS, options).response["violations"]:
        if violation["impact"] in ("serious", "critical") and violation["id"] not in STREAMLITS_OWN:
            places = [f"{node['target']} {node['html'][:160]}" for node in violation["nodes"][:3]]
            yield f"{violation['id']} ({len(violation['nodes'])}): {places}"


@pytest.mark.parametrize(("theme", "width"), [("light", WIDE), ("dark", WIDE), ("dark", NARROW)])
def test_nothing_scrolls_sideways_and_nothing_fails(tour: Callable[[str, int], Tour], theme: str, width: int):
    """No page is wider than the screen, raises, or writes an error into the console. Colours change no width: narrow, one will do."""
    found = tour(theme, width)
    assert found.sideways == []
    assert found.errors == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_violation(tour: Callable[[str, int], Tour], theme: str):
    """None that axe-core calls serious or critical: names, roles, contrast."""
    assert tour(theme, WIDE).violations == {}


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


def test_the_losses_of_a_run_that_diverged_are_seen(page: Page):
    """A few losses over many powers of ten: each is drawn, on a logarithmic axis, along what was trained instead of all that was planned."""
    run_id = client.start(TrainingConfig(batch_size=50, learning_rate=10.0, weight_decay=0.5, epochs=2), "Too large")
    run = wait_for(run_id, "diverged")
    page.goto(f"/train?run={run_id}")
    settled(page)
    expect(page.get_by_label("log loss")).to_be_checked()
    expect(page.get_by_role("radio", name="1 batch")).to_have_attribute("aria-checked", "true")
    page.wait_for_function("document.querySelector('.live-loss')?.data?.length")
    ends = page.evaluate("document.querySelector('.live-loss').layout.xaxis.range[1]")
    assert ends == pytest.approx(run.step / run.config.steps_per_epoch)

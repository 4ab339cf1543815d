"""What axe-core finds: names, roles, contrast; on every page, light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.browser.conftest import settled
from tests.browser.test_pages import ADDRESSES

STREAMLITS_OWN = {
    "nested-interactive",  # a dataframe's canvas holds its own controls
    "scrollable-region-focusable",  # Streamlit's main area scrolls; its content takes the focus
}
"""Rules that only Streamlit itself breaks here, and that we cannot mend."""
NOT_OURS = {"exclude": [['[data-testid="stMultiSelect"] input']]}
"""Streamlit's own element that breaks a rule which ours must keep: smaller than 24 pixels beside what is chosen."""


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_violation(browser: Browser, app: str, finished: str, theme: str):
    """None that axe-core calls serious or critical, by WCAG 2.2 up to AA."""
    context = browser.new_context(base_url=app, color_scheme=theme, viewport={"width": 1440, "height": 900})  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(60_000)
    found: dict[str, set[str]] = {}
    for address in ADDRESSES:
        page.goto(address.format(run=finished))
        settled(page)
        options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
        for violation in Axe().run(page, NOT_OURS, options).response["violations"]:
            if violation["impact"] in ("serious", "critical") and violation["id"] not in STREAMLITS_OWN:
                places = [f"{node['target']} {node['html'][:160]}" for node in violation["nodes"][:3]]
                found.setdefault(f"{violation['id']} ({len(violation['nodes'])}): {places}", set()).add(address)
    context.close()
    assert found == {}

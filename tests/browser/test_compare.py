"""What only a browser shows of Compare and Data: a table and a gallery that lead somewhere, and the way back."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled


def test_from_a_class_to_its_pictures_to_the_image_and_back(page: Page, finished: str):
    """Two moments of a run: the class opens its pictures, a picture the Image page, "back" exactly the same view."""
    page.goto(f"/compare?runs={finished}@0,{finished}")
    settled(page)
    page.get_by_role("link", name="Sandal", exact=True).click()
    page.wait_for_url(re.compile(r"class=5"))
    settled(page)
    picture = page.locator('a.picture[href*="image"]').first
    expect(picture).to_have_attribute("title", re.compile("True: Sandal"))
    address = page.url
    picture.click()
    expect(page.get_by_role("heading", name="Image", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    settled(page)
    assert page.url == address
    expect(page.locator('a.picture[href*="image"]').first).to_have_attribute("title", re.compile("True: Sandal"))


def test_leaderboard_sorts_and_leads_to_the_test_page(page: Page, finished: str):
    """A heading sorts, the address remembers it, and a name opens its run."""
    page.goto("/compare?view=leaderboard")
    settled(page)
    names = page.locator("tbody th a")
    expect(names.first).to_have_text(re.compile("WRN"))
    page.get_by_role("button", name="Test accuracy").click()
    page.wait_for_url(re.compile("up=true"))
    expect(names.last).to_have_text(re.compile("WRN"))
    page.locator(f'a[href*="run={finished}"]').first.click()
    expect(page.get_by_role("heading", name="Test", level=1)).to_be_visible()
    assert finished in page.url

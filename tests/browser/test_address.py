"""The address is the truth of a view: Back, forward, reload and a link to somebody else give the same one."""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Page, expect

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from tests.browser.conftest import settled, wait_for

FAST = RECIPES["fast"].config


def choose_recipe(page: Page, title: str) -> None:
    page.get_by_role("combobox", name=re.compile("Recipe")).first.click()
    page.get_by_role("option", name=title, exact=True).click()


def expect_settings(page: Page, config: TrainingConfig, recipe: str) -> None:
    """What the controls show, not what the server believes."""
    for label, value in (("Learning rate", f"{config.learning_rate:g}"), ("Epochs", str(config.epochs))):
        slider = page.get_by_test_id("stSlider").filter(has_text=label)
        expect(slider.get_by_test_id("stSliderThumbValue")).to_have_text(value)
    expect(page.get_by_role("combobox", name=re.compile("Recipe")).first).to_have_value(recipe)


def test_back_on_train_undoes_a_recipe_at_once(page: Page, browser: Browser, app: str):
    """A recipe is one entry of the history; Back, forward, reload and another browser show all of its settings."""
    page.goto("/train")
    settled(page)
    entries = page.evaluate("history.length")
    choose_recipe(page, "Fast")
    expect_settings(page, FAST, "Fast")
    assert page.evaluate("history.length") == entries + 1
    page.go_back()
    expect_settings(page, TrainingConfig(), "Tutorial")
    page.go_forward()
    expect_settings(page, FAST, "Fast")
    page.reload()
    expect_settings(page, FAST, "Fast")
    other = browser.new_page(base_url=app)
    other.set_default_timeout(60_000)
    other.goto(page.url)
    expect_settings(other, FAST, "Fast")
    other.close()


def test_what_is_typed_last_is_what_is_trained(page: Page):
    """The click on Start ends the typing: both requests leave the browser at once, the second with the old address."""
    page.goto("/train?batch_size=600&epochs=1&step_limit=7")
    settled(page)
    page.get_by_text("Optimizer", exact=False).first.click()
    number = page.get_by_label("Batch size", exact=True)
    number.fill("500")
    page.get_by_role("button", name=re.compile("^Start")).first.click()
    page.wait_for_url(re.compile(r"run=[0-9a-f]{12}"))
    settled(page)
    found = re.search(r"run=([0-9a-f]{12})", page.url)
    assert found
    assert wait_for(found[1], "finished").config.batch_size == 500
    assert "batch_size=500" in page.url
    expect(number).to_have_value("500")


def test_the_list_opens_the_row_that_was_clicked(page: Page):
    """While the list stood there, another run took the first place: the click means the one that was shown."""
    first = client.start(TrainingConfig(batch_size=600, epochs=1, step_limit=5), "Shown first")
    wait_for(first, "finished")
    page.goto("/train")
    settled(page)
    link = page.get_by_role("link", name="Shown first", exact=True)
    expect(link).to_be_visible()
    wait_for(client.start(TrainingConfig(batch_size=600, epochs=1, step_limit=5), "Came meanwhile"), "finished")
    link.click()
    page.wait_for_url(re.compile(f"run={first}"))
    expect(page.get_by_role("heading", name=re.compile("Shown first"))).to_be_visible()


def test_embedding_survives_every_kind_of_click(page: Page, finished: str):
    """A link of the menu, of a component, and one within the page keep `embed=true`; the last one moves the address."""
    page.goto("/browse?embed=true")
    page.locator("a.picture").first.click()
    page.wait_for_url(re.compile(r"/image\?.*embed=true"))
    expect(page.get_by_role("heading", name="Image", level=1)).to_be_visible()
    settled(page)
    page.get_by_role("link", name="Show it among its neighbours").click()
    page.wait_for_url(re.compile(r"/browse\?.*embed=true"))
    page.goto("/image?embed=true&split=test&index=3")
    settled(page)
    page.get_by_role("link", name=re.compile("What the network of")).click()
    page.wait_for_url(re.compile(r"run=[0-9a-f]{12}"))
    assert "embed=true" in page.url
    assert client.get(re.findall(r"run=([0-9a-f]{12})", page.url)[0])

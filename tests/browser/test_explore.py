"""What the speed is for: a race and a learning-rate test, from the click to what they draw; a recipe from choice to comparison."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.settings.recipes import RECIPES
from tests.browser.conftest import settled, wait_for


def test_a_race_is_drawn_while_it_runs(page: Page):
    """All copies are in the chart before the race is over, and each ends with an accuracy on held-out pictures."""
    page.goto("/explore?replicas=4&batch_size=256&epochs=2")
    page.get_by_role("button", name="Start the race").click()
    page.wait_for_url(re.compile("race=[0-9a-f]{12}"))
    page.wait_for_function(
        "() => (document.querySelector('.race-loss')?.data ?? []).some((trace) => trace.x.length > 1)"
    )
    (race,) = client.list_jobs(Race)
    assert wait_for(race.id, "finished").job == Race(copies=4, highest=5.0)
    page.wait_for_function("() => document.querySelectorAll('.race-copies [role=listitem]').length === 4")
    page.get_by_role("img", name=re.compile("Accuracy of each copy on held-out pictures. From [1-9]")).wait_for()


def test_the_finder_suggests_a_rate_that_one_click_uses(page: Page):
    """The rate is in the address, and in the control that the address sets."""
    page.goto("/train?batch_size=100&epochs=1")
    page.get_by_text("Schedule, learning-rate finder").click()
    page.get_by_role("button", name="Find a learning rate").click()
    use = page.get_by_role("button", name=re.compile(r"Use 0\.\d+$"))
    use.wait_for(timeout=300_000)  # many may share the machine
    rate = float(use.inner_text().split()[-1])
    assert 0.005 <= rate <= 0.2
    use.click()
    page.wait_for_url(re.compile(f"[?&]learning_rate={rate:g}(&|$)"))
    page.get_by_test_id("stSlider").filter(has_text="Learning rate").get_by_text(f"{rate:g}", exact=True).wait_for()


def test_a_recipe_is_one_choice_and_its_comparison_one_click(page: Page, runs: object):
    """The recipe "fast" is chosen, trained to its end and laid beside a run with the tutorial's settings."""
    tutorial = client.start(TrainingConfig(), "Tutorial")
    wait_for(tutorial, "running")
    while not client.get(tutorial).latest:
        page.wait_for_timeout(100)
    client.stop(tutorial)
    wait_for(tutorial, "stopped")
    page.goto("/train")
    settled(page)
    page.get_by_role("combobox", name=re.compile("Recipe")).first.click()
    page.get_by_role("option", name="Fast", exact=True).click()
    page.get_by_text("About the recipe Fast").click()
    page.get_by_text(RECIPES["fast"].teaches[:40]).wait_for()
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url(lambda address: "run=" in address and tutorial not in address)
    run = wait_for(page.url.rpartition("run=")[2][:12], "finished")
    assert run.config == RECIPES["fast"].config
    assert run.latest
    assert run.latest.test.accuracy > 0.86
    page.get_by_role("link", name=re.compile("Compare with the tutorial")).click()
    page.wait_for_url(re.compile(f"runs={run.id}(%2C|,){tutorial}"))
    page.get_by_text("Two equally good networks would differ at least this much").first.wait_for()

"""A newcomer's first minutes: from the first page to a network that visibly trains; controls that keep what they are set to."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta, tzinfo

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fmnist_core.data import dataset
from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.runs.files import folder
from fmnist_core.settings.config import TrainingConfig
from pages.parts.starting import DOUBLE_CLICK
from tests.browser.conftest import settled, wait_for
from tests.browser.test_way import run_in


def in_sight(page: Page, what: Locator) -> bool:
    """Whether all of it lies within the window, with nothing scrolled."""
    box, size = what.bounding_box(), page.viewport_size
    assert box
    assert size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"] and box["x"] + box["width"] <= size["width"]


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_three_clicks_and_no_scrolling_to_a_network_that_trains(browser: Browser, app: str, width: int, height: int):
    """Home, Train, Start: all of it in sight, and the loss falls in sight. The time is printed."""
    context = browser.new_context(base_url=app, viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(180_000)  # many may share the machine: the time is printed, not held to
    began = time.monotonic()
    page.goto("/")
    to_train = page.get_by_role("link", name="Train a network")
    expect(to_train).to_be_visible()
    assert in_sight(page, to_train)
    to_train.click()
    start = page.get_by_role("button", name="Start training")
    expect(start).to_be_visible()
    settled(page)
    for what in ("Recipe", "Learning rate", "Epochs"):
        assert in_sight(page, page.get_by_text(what, exact=True).first), what
    assert in_sight(page, start)
    assert in_sight(page, page.get_by_text("60,000 weight updates"))
    start.click()
    run_id = run_in(page)
    page.wait_for_function("() => document.querySelector('.live-state')?.dataset.state === 'running'")
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) > 1")
    seconds = time.monotonic() - began
    for what in (page.locator(".live-title"), page.get_by_role("button", name="Stop", exact=True)):
        assert in_sight(page, what)
    assert in_sight(page, page.locator(".live-figures"))
    assert in_sight(page, page.locator(".live-loss"))
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
    print(f"\n{width} x {height}: {seconds:.1f} s from the first page to the first curve")
    client.stop(run_id)
    wait_for(run_id, "stopped")
    context.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_three_clicks_and_no_scrolling_to_the_worst_class_of_last_weeks_run(
    browser: Browser, app: str, finished: str, monkeypatch: pytest.MonkeyPatch, width: int, height: int
):
    """Home, Test, its day in the list of runs: the class that it knows worst is said in sight. The time is printed."""

    class AWeekAgo(datetime):
        """What the clock said when the run was started."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(days=7)

    with monkeypatch.context() as patch:
        patch.setattr(folder, "datetime", AWeekAgo)
        run_id = client.start(TrainingConfig(batch_size=600, epochs=1, learning_rate=0.05), f"Old {width}")
    wait_for(run_id, "finished")
    labels = dataset.load("test").labels
    right = np.bincount(labels[client.folder(run_id).logits(100).argmax(1) == labels], minlength=10)
    context = browser.new_context(base_url=app, viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(180_000)
    began = time.monotonic()
    page.goto("/")
    to_test = page.get_by_test_id("stMain").get_by_text(re.compile("Go on with step 5: Test|Test a network"))
    expect(to_test).to_be_visible()
    assert in_sight(page, to_test)
    to_test.click()
    runs = page.get_by_role("combobox", name="Run", exact=True)
    expect(runs).to_be_visible()
    settled(page)
    assert in_sight(page, runs)
    runs.click()
    a_week_ago = datetime.now() - timedelta(days=7)
    runs.fill(f"{a_week_ago.day} {a_week_ago:%b}")  # typed, as one looks for a day
    option = page.get_by_role("option").filter(has_text=f"Old {width}")
    expect(option).to_be_visible()
    assert in_sight(page, option)
    option.click()
    page.wait_for_url(re.compile(run_id))
    worst = page.get_by_text(re.compile(f"The hardest class is {CLASSES[right.argmin()]}:"))
    expect(worst).to_be_visible()
    seconds = time.monotonic() - began
    assert in_sight(page, worst)
    print(f"\n{width} x {height}: {seconds:.1f} s from the first page to the worst class")
    context.close()


@pytest.mark.parametrize("pause", [0, 60, 100, 150])
def test_slider_keeps_what_the_keyboard_set(page: Page, pause: int):
    """ArrowLeft 17 times, slowly or quickly: from 20 epochs to 3, on the screen, in the address, and still so seconds later."""
    page.goto("/train")
    settled(page)
    epochs = page.get_by_role("slider", name="Epochs")
    epochs.focus()
    for _ in range(17):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(pause)
    page.wait_for_url("**epochs=3")
    page.wait_for_timeout(2_500)
    assert (epochs.get_attribute("aria-valuetext") or epochs.input_value()) == "3"
    assert page.url.endswith("epochs=3")
    expect(page.get_by_text("9,000 weight updates")).to_be_visible()


def test_double_click_starts_one_run(page: Page):
    """Two clicks as quick as a hand makes them are one start; a third, later, is another."""
    before = len(client.list_runs())
    page.goto("/train?batch_size=6000&epochs=1")
    settled(page)
    start = page.get_by_role("button", name="Start training")
    start.dblclick()
    first = run_in(page)  # the page shows it, though the second click has cut its script short
    page.wait_for_timeout(1_000 * DOUBLE_CLICK)
    settled(page)
    assert len(client.list_runs()) == before + 1
    start.click()
    page.wait_for_url(lambda address: "run=" in address and first not in address)
    assert len(client.list_runs()) == before + 2

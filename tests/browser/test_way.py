"""The whole way, as a newcomer goes it: look, read a pixel, train, test, compare."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from fmnist_core.data import dataset
from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from pages.parts.streamlit_inside import CONTENT
from tests.browser.conftest import settled, wait_for


def run_in(page: Page) -> str:
    """The id of the run in the address."""
    page.wait_for_url(re.compile(r"run=[0-9a-f]{12}"))
    found = re.search(r"run=([0-9a-f]{12})", page.url)
    assert found
    return found[1]


def points(page: Page) -> int:
    """Points that the loss chart shows now."""
    return int(page.locator(".live-loss").get_attribute("data-points") or 0)


def test_from_the_first_picture_to_a_tested_network(page: Page):
    """Home, Browse, a picture, a pixel; then two epochs watched, a reload on the way, the test, its pictures."""
    page.goto("/")
    page.get_by_test_id("stMain").get_by_role("link", name="1 · Browse").click()
    expect(page.get_by_role("heading", name="Browse", level=1)).to_be_visible()

    # a batch of 20 as training sees it; the first picture of it
    pictures = page.locator('a.picture[href*="image"]')
    expect(pictures).to_have_count(20)
    index = int(dataset.batch_indices(60_000, size=20, seed=0, batch=0)[0])
    expect(pictures.first).to_have_attribute("href", re.compile(rf"index={index}\b"))
    pictures.first.click()
    expect(page.get_by_role("heading", name="Image", level=1)).to_be_visible()
    train = dataset.load("train")
    expect(page.get_by_text(f"{CLASSES[train.labels[index]]}").first).to_be_visible()

    # a pixel: the middle of the canvas
    canvas = page.locator("canvas")
    expect(canvas).to_be_visible()
    page.wait_for_timeout(500)
    box = canvas.bounding_box()
    assert box
    row, column = 14, 10
    page.mouse.move(box["x"] + (column + 0.5) * box["width"] / 28, box["y"] + (row + 0.5) * box["height"] / 28)
    value = int(train.images[index, row, column])
    reading = page.locator(".reading.pixel")
    expect(reading).to_contain_text(str(value))
    expect(reading).to_contain_text(f"{value / 255:.2f}")

    # back to the same batch with the browser's own button
    page.go_back()
    expect(page.get_by_role("heading", name="Browse", level=1)).to_be_visible()
    expect(pictures.first).to_have_attribute("href", re.compile(rf"index={index}\b"))

    # train: two short epochs, with the chart moving
    page.goto("/train?batch_size=60&epochs=2&learning_rate=0.01")
    settled(page)
    page.get_by_role("button", name="Start training").click()
    run_id = run_in(page)
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) > 2")
    before = points(page)
    page.wait_for_function(
        "(before) => Number(document.querySelector('.live-loss')?.dataset.points) > before", arg=before
    )
    page.reload()
    assert run_in(page) == run_id
    run = wait_for(run_id, "finished")
    assert run.step == 2000
    expect(page.locator(".live-title")).to_have_text("Finished.")
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) >= 20")
    assert run.latest
    expect(page.locator(".live-figures span").first).to_have_text(f"{100 * run.latest.test.accuracy:.2f}\u00a0%")

    # test: the table's numbers, and the pictures behind a cell
    page.get_by_role("link", name="Test this network").click()
    expect(page.get_by_role("heading", name="Test", level=1)).to_be_visible()
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(f"{100 * run.latest.test.accuracy:.2f}\u00a0%")
    page.get_by_role("radio", name="Matrix").click()
    logits = client.folder(run_id).logits(2000)
    count = int(((dataset.load("test").labels == 6) & (logits.argmax(1) == 0)).sum())
    cell = page.locator('.matrix [data-true="6"][data-predicted="0"]')
    expect(cell).to_have_text(str(count))
    cell.click()
    expect(page.get_by_text(f"Shirt taken for T-shirt/top: {count} of 1,000 pictures")).to_be_visible()
    expect(page.locator("a.picture")).to_have_count(min(20, count))
    address = page.url
    page.locator("a.picture").nth(3).scroll_into_view_if_needed()
    place = page.locator(CONTENT).evaluate("(main) => main.scrollTop")
    assert place > 100
    page.locator("a.picture").nth(3).click()
    expect(page.get_by_role("heading", name="Image", level=1)).to_be_visible()
    expect(page.locator("canvas").first).to_be_visible()
    page.go_back()
    expect(page.get_by_text(f"Shirt taken for T-shirt/top: {count} of 1,000 pictures")).to_be_visible()
    assert page.url == address
    scrolled = f"(place) => Math.abs(document.querySelector('{CONTENT}').scrollTop - place) < 2"
    page.wait_for_function(scrolled, arg=place)


def test_stop_from_the_page_then_compare(page: Page):
    """A long run is stopped by a click, and stands beside a short one on the Compare page."""
    page.goto("/train?batch_size=20&epochs=20&seed=3")
    settled(page)
    page.get_by_label("Name", exact=True).fill("To be stopped")
    page.get_by_label("Name", exact=True).press("Tab")
    page.get_by_role("button", name="Start training").click()
    run_id = run_in(page)
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) > 2")
    page.get_by_role("button", name="Stop", exact=True).click()
    stopped = wait_for(run_id, "stopped")
    expect(page.locator(".live-title")).to_have_text("Stopped.")
    assert 0 < stopped.step < 60_000
    other = client.start(TrainingConfig(batch_size=600, epochs=1, learning_rate=0.05), "Short")
    wait_for(other, "finished")

    page.goto(f"/compare?runs={run_id},{other}")
    expect(page.get_by_role("heading", name="Settings that differ")).to_be_visible()
    table = page.locator("table.figures")
    expect(table).to_contain_text("Learning rate")
    expect(table).to_contain_text("To be stopped")
    expect(page.get_by_text("McNemar").first).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(3)


def test_zoom_stays_while_points_arrive(page: Page):
    """A chart that was zoomed into keeps its range when new losses come."""
    run_id = client.start(TrainingConfig(batch_size=20, epochs=3), "Zoomed")
    page.goto(f"/train?run={run_id}")
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) > 5")
    plot = page.locator(".live-loss .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()
    ranges = "() => { const l = document.querySelector('.live-loss').layout; return [l.xaxis.range, l.yaxis.range]; }"
    page.wait_for_function(f"() => ({ranges})()[0][1] < 2")
    zoomed, before = page.evaluate(ranges), points(page)
    page.wait_for_function(
        "(before) => Number(document.querySelector('.live-loss')?.dataset.points) > before + 3", arg=before
    )
    assert page.evaluate(ranges) == zoomed
    client.stop(run_id)
    wait_for(run_id, "stopped")


def test_keyboard_alone_reaches_a_matrix_cell(page: Page, finished: str):
    """Arrow keys move through the matrix, Enter opens the pictures."""
    page.goto(f"/test?run={finished}&view=matrix")
    page.locator('.matrix [data-row="1"][data-column="1"]').focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url(re.compile("true=1&predicted=1"))
    expect(page.get_by_text("Trouser, recognised")).to_be_visible()

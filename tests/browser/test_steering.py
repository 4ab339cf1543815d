"""A run in a person's hand: its rate changed in flight, paused, stepped, resumed, branched; then its whole time on a slider."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from tests.browser.conftest import wait_for

SHIRT = 6


def test_a_run_is_steered_while_it_trains(page: Page):
    """The new rate holds and is marked; a single step adds up; the branch without change lies over its parent."""
    run_id = client.start(TrainingConfig(batch_size=20, epochs=30, learning_rate=0.001), "Steered")
    wait_for(run_id, "running")
    page.goto(f"/train?run={run_id}")
    page.wait_for_function("() => Number(document.querySelector('.live-loss')?.dataset.points) > 3")

    page.get_by_role("button", name="Learning rate", exact=True).click()
    page.get_by_test_id("stPopoverBody").get_by_role("slider").first.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_function("() => document.querySelector('.live-loss').layout.shapes.length > 0")
    (change,) = client.get(run_id).changes
    assert (change.learning_rate, change.momentum) == (0.002, 0.9)
    marks = page.evaluate("() => document.querySelector('.live-loss').layout.annotations.map((mark) => mark.text)")
    assert marks == ["rate 0.002, momentum 0.9"]

    page.get_by_role("button", name="Pause", exact=True).click()
    paused = wait_for(run_id, "paused")
    page.get_by_role("button", name=re.compile("Take step")).click()
    page.get_by_text(re.compile(rf"Step {paused.step + 1:,} took the mean loss")).wait_for()
    page.get_by_text("the same up to the rounding of float32").wait_for()
    page.get_by_role("button", name="Resume").click()
    wait_for(run_id, "running")
    client.stop(run_id)
    wait_for(run_id, "stopped")

    page.goto(f"/train?run={run_id}")
    page.get_by_role("button", name="Branch", exact=True).click()
    page.get_by_role("button", name="Start a branch without change").click()
    page.wait_for_url(lambda address: run_id not in address)
    page.get_by_text(re.compile(r"It lies exactly over its parent: 0 of [1-9]")).wait_for()
    for branch in client.list_runs():
        if branch.parent and branch.parent[0] == run_id:
            client.stop(branch.id)
            wait_for(branch.id, "stopped", "finished")


def test_the_slider_moves_everything(page: Page, finished: str):
    """Dragged from the end to step 0: Shirt's accuracy, the matrix and the filters are those of that moment."""
    folder = client.folder(finished)
    page.goto(f"/test?run={finished}")
    page.wait_for_selector(".time[data-ready=true]")
    shown = """() => {
      const root = document.querySelector('.st-key-time_' + location.search.match(/run=([0-9a-f]{12})/)[1]);
      const inside = (where) => where.shadowRoot ?? where;
      const time = [...root.querySelectorAll('*')].map(inside).map((e) => e.querySelector?.('.time')).find(Boolean);
      const texts = (kind) => [...time.querySelectorAll(kind)].map((e) => e.textContent);
      return [texts('.share')[6], texts('.cell'), time.querySelector('canvas').toDataURL()];
    }"""
    box = page.locator(".time input[type=range]").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    seen = [page.evaluate(shown)]
    page.mouse.move(box["x"] + box["width"] - 8, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 2, middle, steps=10)
    seen.append(page.evaluate(shown))
    page.mouse.up()
    labels, steps = dataset.load("test").labels, folder.logit_steps()
    for (share, cells, _picture), step in zip(seen, (steps[-1], 0), strict=True):
        predicted = folder.logits(step).argmax(1)
        right = int((predicted[labels == SHIRT] == SHIRT).sum())
        assert share == f"{right / 10:.1f} %"
        assert cells[10 * SHIRT] == str(int((predicted[labels == SHIRT] == 0).sum()) or "")
    assert seen[0][2] != seen[1][2]
    page.wait_for_url(re.compile("step=0"))
    before = client.get(finished).before
    assert before
    figure = f"{100 * before.test.accuracy:.2f}\u00a0%"
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(figure, timeout=30_000)
    page.locator(".time input[type=range]").focus()
    page.keyboard.press("End")
    page.wait_for_url(lambda address: "step=" not in address)

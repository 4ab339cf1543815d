"""Yours in a real Chromium: a drawing with the mouse and with a finger, files that are chosen and pasted."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from fmnist_core.data import dataset
from fmnist_core.data.brought.photos import as_photo
from tests.browser.conftest import listen, settled
from tests.browser.test_first_minutes import in_sight

LEGS = (((10, 2), (18, 2)), ((10, 3), (10, 26)), ((18, 3), (18, 26)), ((11, 5), (17, 5)))
"""A trouser in four strokes, (column, row)."""


def places(page: Page, stroke: tuple) -> list[tuple[float, float]]:
    """Where the points of a stroke lie in the window."""
    bounds = page.locator(".pad canvas").bounding_box()
    assert bounds
    cell = bounds["width"] / 28
    return [(bounds["x"] + column * cell, bounds["y"] + row * cell) for column, row in stroke]


def test_a_trouser_drawn_with_the_mouse(page: Page, finished: str):
    """It is recognised while the pen moves; the drawing is in the address, survives a reload, and Back takes it away."""
    page.goto(f"/yours?run={finished}")
    settled(page)
    expect(page.locator(".judge .says")).to_have_text("Draw something")
    page.locator(".pad .size").fill("4")
    for stroke in LEGS:
        (start, end) = places(page, stroke)
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=6)
        expect(page.locator(".judge .took")).to_contain_text("ms")  # the pen is still down
        page.mouse.up()
    expect(page.locator(".judge")).to_have_attribute("data-top", "Trouser")
    page.wait_for_url("**pixels=**")
    expect(page.get_by_text("What would have to change?")).to_be_visible()
    page.reload()
    settled(page)
    expect(page.locator(".judge")).to_have_attribute("data-top", "Trouser")
    page.locator(".pad canvas").focus()
    drawn = page.url
    page.keyboard.press("ArrowRight")
    page.wait_for_function("(before) => location.href !== before", arg=drawn)
    page.go_back()
    page.wait_for_function("(before) => location.href === before", arg=drawn)


def test_files_chosen_and_pasted(page: Page, finished: str):
    """Each bad file has its sentence, a photograph goes all the way, and so does one from the clipboard."""
    photo = as_photo(dataset.load("test").images[2], np.random.default_rng(2))
    page.goto(f"/yours?view=photo&run={finished}")
    settled(page)
    page.locator("input[type=file]").set_input_files(
        [
            {"name": "page.jpg", "mimeType": "image/jpeg", "buffer": b"<html><body>404</body></html>"},
            {
                "name": "<b>drawing</b>.svg",
                "mimeType": "image/svg+xml",
                "buffer": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            },
            {"name": "torn.jpg", "mimeType": "image/jpeg", "buffer": photo[: len(photo) // 2]},
            {"name": "phone.heic", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" + bytes(99)},
            {"name": "trouser.jpg", "mimeType": "image/jpeg", "buffer": photo},
        ]
    )
    for sentence in ("is a web page", "is an SVG", "damaged or ends too early", "is HEIC"):
        expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.locator("ol.stages li")).to_have_count(11)
    small = io.BytesIO()
    Image.fromarray(np.full((40, 40, 3), 200, np.uint8)).save(small, "PNG")
    page.evaluate(
        """(content) => {
          const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0)), data = new DataTransfer();
          data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        base64.b64encode(small.getvalue()).decode(),
    )
    expect(page.get_by_text("Remove what was pasted")).to_be_visible()
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()  # two pictures now: an overview


def test_a_finger_on_a_phone(browser: Browser, app: str, finished: str):
    """390 pixels wide, nothing scrolls sideways; a finger draws instead of scrolling, and the answer is seen while it does."""
    context = browser.new_context(base_url=app, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors = listen(page)
    page.goto(f"/yours?run={finished}")
    settled(page)
    pad = page.locator(".pad canvas").bounding_box()
    assert pad
    assert pad["y"] + pad["height"] <= 844  # all of it is on the first screen
    assert pad["width"] % 28 == pad["height"] % 28 == 0
    before = page.locator(".pad canvas").bounding_box()
    touch = context.new_cdp_session(page)
    for stroke in LEGS:
        (start, end) = places(page, stroke)
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start[0], "y": start[1]}]})
        for share in (0.3, 0.6, 1.0):
            point = {axis: a + (b - a) * share for axis, a, b in zip("xy", start, end, strict=True)}
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_url("**pixels=**")
    lit = page.locator(".pad canvas").evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(0, 0, 28, 28).data.filter((v, i) => i % 4 === 0 && v > 128).length"
    )
    assert lit > 60
    expect(page.locator(".judge")).to_have_attribute("data-top", re.compile("."))
    assert page.locator(".pad canvas").bounding_box() == before  # it has not moved under the finger
    for what in (".judge h4", ".says", ".row:not(.far) >> nth=2", ".flag b", "canvas"):
        assert in_sight(page, page.locator(".pad").locator(what)), what
    width = page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
    context.close()
    assert width <= 390
    assert errors == []

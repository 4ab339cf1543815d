"""The page Inside in a real Chromium: from a wrong prediction down to nine numbers and back, by mouse, touch and keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import listen, settled

SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
VALUE = re.compile(r"= −?\d+\.\d{3}$", re.MULTILINE)


@pytest.fixture(params=SIZES)
def window(request: pytest.FixtureRequest, browser: Browser, app: str) -> Iterator[Page]:
    """A window of a laptop, and of a telephone that is touched."""
    width, height = SIZES[request.param]
    is_touched = request.param == "narrow"
    context = browser.new_context(base_url=app, viewport={"width": width, "height": height}, has_touch=is_touched)
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors = listen(page)
    yield page
    context.close()
    assert [error for error in errors if "(blob:" not in error] == []  # a gallery that was left while it was drawn


def tap(page: Page, place) -> None:
    """A tap where fingers are used, else a click."""
    place.tap() if page.viewport_size["width"] < 500 else place.click()


def test_from_a_mistake_to_nine_numbers_and_back(window: Page, finished: str):
    """Three clicks from the list of mistakes: the picture, the look inside, a value; Back leads to the output again."""
    page = window
    page.goto(f"/test?run={finished}&view=mistakes")
    settled(page)
    tap(page, page.locator(".rows a.picture.lead").first)  # 1
    expect(page.get_by_role("heading", name="Image", level=1)).to_be_visible()
    settled(page)
    tap(page, page.get_by_role("link", name=re.compile("Look inside")))  # 2
    page.wait_for_selector(".inside[data-ready=true]")
    settled(page)
    expect(page.locator(".sum h4")).to_have_text(re.compile(r"^fc2: .* = "))  # the output that decided
    expect(page.locator(".sum .softmax")).to_have_count(1)
    tap(page, page.locator(".stage canvas").nth(1))  # 3
    expect(page.locator(".sum h4")).to_have_text(re.compile(r"^conv1 \+ ReLU, channel \d, row \d+, column \d+ = "))
    expect(page.locator(".sum .grid").first.locator("td")).to_have_count(9)
    page.wait_for_url(re.compile("layer=conv1"))
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.go_back()
    expect(page.locator(".sum h4")).to_have_text(re.compile(r"^fc2: "))
    tap(page, page.get_by_role("link", name="All mistakes"))
    expect(page.get_by_role("heading", name="Test", level=1)).to_be_visible()


def test_a_tap_stays_in_sight_beside_its_arithmetic(window: Page, finished: str):
    """On a telephone the arithmetic is one line at first, opens with a tap, and never lies over what was tapped."""
    page = window
    page.goto(f"/inside?run={finished}")
    page.wait_for_selector(".inside[data-ready=true]")
    settled(page)
    is_narrow = page.viewport_size["width"] < 500
    fold, arithmetic, layer = page.locator(".below .fold"), page.locator(".sum"), page.locator(".stage canvas").nth(1)
    expect(fold).to_be_visible(visible=is_narrow)
    if not is_narrow:
        return
    assert arithmetic.bounding_box()["height"] < 60
    layer.scroll_into_view_if_needed()
    size = layer.bounding_box()
    layer.tap(position={"x": size["width"] - 4, "y": size["height"] - 4})
    page.wait_for_url(re.compile("layer=conv1"))
    assert arithmetic.bounding_box()["height"] > 100
    after = layer.bounding_box()
    assert 0 < after["y"] + after["height"] <= page.locator(".below").bounding_box()["y"]
    fold.tap()
    assert arithmetic.bounding_box()["height"] < 60


def test_terms_lead_down_to_where_they_come_from(page: Page, finished: str):
    """From a class to its strongest unit, to the strongest of its 500 values, to the window that won the pool."""
    page.goto(f"/inside?run={finished}&index=5")
    page.wait_for_selector(".inside[data-ready=true]")
    heads = [r"^fc2: ", r"^fc1 \+ ReLU, unit \d+", r"^pool, channel \d+, row \d, column \d"]
    for head in heads:
        expect(page.locator(".sum h4")).to_have_text(re.compile(head))
        if head != heads[-1]:
            page.locator(".sum button[data-go]").first.click()
    expect(page.locator(".sum .grid td")).to_have_count(4)
    page.wait_for_url(re.compile("layer=pool2"))


def test_the_keyboard_reaches_every_value(page: Page, finished: str):
    """Tab to a layer, arrows within a map, Page Down to the next one, Enter keeps it in the address."""
    page.goto(f"/inside?run={finished}&index=5")
    page.wait_for_selector(".inside[data-ready=true]")
    page.locator(".stage canvas").nth(0).focus()
    page.keyboard.press("Tab")
    head = page.locator(".sum h4")
    expect(head).to_have_text(re.compile(r"^conv1 \+ ReLU, channel 0, row (\d+)"))
    page.keyboard.press("PageDown")
    expect(head).to_have_text(re.compile("channel 1, "))
    before = head.inner_text()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(head).not_to_have_text(before)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("layer=conv1&unit=1&place="))
    expect(page.locator(".spoken").first).to_have_text(re.compile("conv1.* is "))


def test_the_time_slider_moves_it(page: Page, finished: str):
    """Another moment of training is drawn at once, before the server has been told."""
    page.goto(f"/inside?run={finished}&index=5")
    inside = page.locator(".inside[data-ready=true]")
    inside.wait_for()
    settled(page)
    last = inside.get_attribute("data-step")
    page.get_by_role("slider", name="Moment of the run").press("Home")
    expect(inside).to_have_attribute("data-step", "0")
    expect(page.locator(".scores button").first).to_have_text(re.compile(r"(9|1[0-2])\.\d %"))  # untrained: about 10 %
    page.get_by_role("slider", name="Moment of the run").press("End")
    expect(inside).to_have_attribute("data-step", last)


def test_erased_pixels_break_the_sum(page: Page, finished: str):
    """Pixels erased with the mouse are counted, the network answers at once, and the address has them."""
    page.goto(f"/inside?run={finished}&index=5&view=ledger")
    page.wait_for_selector(".ledger[data-ready=true]")
    expect(page.locator(".exact")).to_have_text(re.compile("equal to less than 0.0001"))
    box = page.locator("canvas.picture").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=20)
    page.mouse.up()
    expect(page.locator(".erased")).to_have_text(re.compile(r"^\d+ erased\. The sum promises"))
    page.wait_for_url(re.compile("erased="))
    words = page.locator(".erased").inner_text()
    page.reload()
    page.wait_for_selector(".ledger[data-ready=true]")
    expect(page.locator(".erased")).to_have_text(words)


def test_an_operation_and_its_undoing(page: Page, finished: str):
    """Mute a filter: the figures stand there, the patient is seen from inside, and Undo takes it back."""
    page.goto(f"/inside?run={finished}&index=5&view=surgery&layer=conv1&unit=4")
    settled(page)
    page.get_by_role("button", name="Mute it").click()
    expect(page.get_by_text("Accuracy now")).to_be_visible()
    page.get_by_role("button", name="The way through").or_(page.get_by_text("The way through")).first.click()
    page.wait_for_selector(".inside[data-ready=true]")
    expect(page.locator(".sum h4")).to_have_text(re.compile(r"^conv1 \+ ReLU, channel 4, .* = 0\.000$"))
    page.go_back()
    page.get_by_role("button", name="Undo").first.click()
    expect(page.get_by_text("Nothing has been changed yet")).to_be_visible()
    assert "edits" not in page.url


def test_what_is_drawn_around_on_the_map_is_listed(window: Page, finished: str):
    """By mouse and by finger, and by the keyboard all that is in view; the address has it, a reload shows it again."""
    page = window
    page.goto(f"/inside?run={finished}&index=5&view=map")
    page.wait_for_selector(".map[data-ready=true]")
    settled(page)
    canvas = page.locator(".box > canvas")
    canvas.scroll_into_view_if_needed()
    tap(page, page.locator(".lasso"))
    canvas.evaluate(DRAW)
    page.wait_for_url(re.compile(r"area=-?\d+_"))
    head = page.get_by_role("heading", name=re.compile(r"^Drawn around: [\d,]+ pictures?, [\d,]+ of them wrong$"))
    expect(head).to_be_visible()
    words = head.inner_text()
    expect(page.locator("a.picture").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.reload()
    expect(head).to_have_text(words)
    page.wait_for_selector(".map[data-ready=true]")
    canvas.focus()
    page.keyboard.press("Enter")
    expect(head).not_to_have_text(words)
    page.go_back()
    expect(head).to_have_text(words)
    page.wait_for_selector(".map[data-ready=true]")
    canvas.focus()
    page.keyboard.press("Escape")
    expect(head).to_have_count(0)
    assert "area" not in page.url


def test_pointing_at_a_picture_on_the_map_tells_of_it(page: Page, finished: str):
    """Its class, then what the network says; nothing in the address changes."""
    page.goto(f"/inside?run={finished}&index=5&view=map")
    page.wait_for_selector(".map[data-ready=true]")
    settled(page)
    canvas, card, address = page.locator(".box > canvas"), page.locator(".card"), page.url
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    for step in range(200):  # along a line, until something is near
        page.mouse.move(box["x"] + box["width"] * (0.2 + 0.003 * step), box["y"] + box["height"] * 0.5)
        page.wait_for_timeout(200)
        if card.is_visible():
            break
    expect(card.locator("p")).to_have_text(re.compile(r"^Test picture \d+: "))
    expect(card.locator("li")).to_have_count(3)
    expect(card.locator("li").first).to_have_text(re.compile(r"\d+\.\d %$"))
    assert page.url == address


DRAW = """(canvas) => {
  const box = canvas.getBoundingClientRect();
  const send = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, {
    bubbles: true, pointerId: 1, buttons: 1, clientX: box.left + x * box.width, clientY: box.top + y * box.height,
  }));
  canvas.setPointerCapture = () => {}; // no real pointer is down
  send("pointerdown", 0.3, 0.3);
  for (let n = 0; n <= 40; n += 1) send("pointermove", 0.5 + 0.25 * Math.cos(n / 6.5), 0.5 + 0.25 * Math.sin(n / 6.5));
  send("pointerup", 0.7, 0.5);
}"""

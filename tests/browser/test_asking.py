"""What a chart says while it asks the server for a run's events, and no answer comes: the page's own scripts, with a clock that is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

COMPONENTS = Path(__file__).parents[2] / "pages" / "parts" / "components"
SERVER = """
globalThis.base = () => "http://server/";
globalThis.says = [""]; globalThis.heard = []; globalThis.asked = 0; globalThis.server = ["well"];
const answers = {
  away: () => { throw new TypeError("Failed to fetch"); },
  hangs: () => new Promise((_, reject) => setTimeout(reject, 10_000)),
  busy: () => ({ ok: false, status: 503 }),
  cut: () => ({ ok: true, status: 200, json: () => JSON.parse('{"events":') }),
  stranger: () => ({ ok: false, status: 401 }),
  well: () => ({ ok: true, status: 200, json: () => ({ events: [asked], next: asked, more: false, state: "running" }) }),
};
globalThis.fetch = async () => {
  asked += 1;
  return answers[server.length > 1 ? server.shift() : server[0]](); // the last state stays
};
const say = (text) => text !== says.at(-1) && says.push(text);
globalThis.follower = new Follower("run", (events) => heard.push(...events), say);
"""
NO_ANSWER = "No answer from the server: the run goes on, asking again …"
NOT_KNOWN = "This server does not know you any more: load the page again."


@pytest.fixture
def chart(browser: Browser) -> Iterator[Page]:
    """A page with a follower that has not asked yet, and what stands for the server."""
    page = browser.new_page()
    page.clock.install(time=0)
    page.clock.pause_at(1_000)
    scripts = [(COMPONENTS / name).read_text(encoding="utf-8") for name in ("asking.js", "following.js")]
    page.add_script_tag(content="\n".join([*scripts, SERVER]))
    yield page
    page.close()


def ask(chart: Page, *server: str) -> None:
    """From now on the server is in these states, one after the other for each question, and stays in the last."""
    chart.evaluate("(states) => { server = states; follower.asked ??= follower.ask(); }", list(server))


@pytest.mark.parametrize("fault", ["away", "busy", "cut", "hangs"])
def test_one_question_that_fails_is_no_news(chart: Page, fault: str):
    """Nothing is said, the next one is asked soon, and what has come meanwhile is heard."""
    ask(chart, fault, "well")
    chart.clock.run_for(12_000)
    assert chart.evaluate("[says, heard[0]]") == [[""], 2]


@pytest.mark.parametrize("fault", ["away", "busy", "cut", "hangs"])
def test_silence_is_said_once_it_is_long(chart: Page, fault: str):
    """After several questions, with growing pauses; it goes by itself as soon as an answer comes."""
    ask(chart, fault)
    chart.clock.run_for(14_000)
    assert chart.evaluate("says") == [""]
    chart.clock.run_for(12_000)
    assert chart.evaluate("says") == ["", NO_ANSWER]
    assert 2 <= chart.evaluate("asked") <= 10
    ask(chart, "well")
    chart.clock.run_for(15_000)
    assert chart.evaluate("says") == ["", NO_ANSWER, ""]


def test_a_fault_in_what_is_drawn_is_no_silence(chart: Page):
    """It would be told of the server what is ours; and the next answers are heard."""
    fault = "heard.push(...events); if (asked === 1) throw new Error('of the chart')"
    chart.evaluate(f"() => {{ follower.hear = (events) => {{ {fault} }} }}")
    ask(chart, "well")
    chart.clock.run_for(3_000)
    assert chart.evaluate("says") == [""]
    assert chart.evaluate("heard.length") > 2


def test_who_is_not_known_any_more_is_told_so(chart: Page):
    """That is no silence either: the door has another cookie, or none."""
    ask(chart, "stranger")
    chart.clock.run_for(100)
    assert chart.evaluate("says") == ["", NOT_KNOWN]
    ask(chart, "well")
    chart.clock.run_for(15_000)
    assert chart.evaluate("says") == ["", NOT_KNOWN, ""]


def test_one_that_has_ended_says_nothing(chart: Page):
    """Its place on the page is somebody else's by then."""
    ask(chart, "away")
    chart.clock.run_for(5_000)
    chart.evaluate("follower.end()")
    before = chart.evaluate("asked")
    chart.clock.run_for(60_000)
    assert chart.evaluate("[says, asked]") == [[""], before]

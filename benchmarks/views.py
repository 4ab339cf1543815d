"""The Test page: how long each of its views takes to be drawn again, and how large the web process becomes.

python -m benchmarks.views [--rounds 10] [--port 8732] [--run RUN]

A real run of one epoch with its 10,000 predictions. On the server: the script run again at another address, as Streamlit
tests pages. In a real Chromium: from the click on a view's name until it stands complete, timed by the page itself, because
what drives a browser from outside takes a tenth of a second to click and to look. Needs /proc (Linux).
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import time
from contextlib import nullcontext

from playwright.sync_api import Page, sync_playwright
from streamlit.testing.v1 import AppTest

from benchmarks import turns
from benchmarks.pages import CHROMIUM, SWITCHES, Server
from benchmarks.processes import trained_run
from pages.parts.streamlit_inside import AT_REST, RUNNING

VIEWS = {
    "classes": "Each class",
    "matrix": "Confusion matrix",
    "mistakes": "Mistakes, the worst first",
    "calibration": "Is it right as often as it says?",
    "threshold": "Answer only when sure",
}
"""Each view and its heading."""

UNTIL_IT_STANDS = """async ([heading, running]) => {
  let clicked, ran = false;
  addEventListener("click", (event) => (clicked ??= event.timeStamp), { capture: true });
  const began = performance.now();
  const frame = async () => {
    await new Promise(requestAnimationFrame);
    if (performance.now() - began > 60_000) throw new Error(`${heading} did not stand within a minute`);
  };
  const stands = () =>
    [...document.querySelectorAll("h3")].some((title) => title.textContent.startsWith(heading)) &&
    [...document.querySelectorAll(".stPlotlyChart")].every((chart) => chart.querySelector(".main-svg")) &&
    !document.querySelector(".stSkeleton");
  while (!ran) {
    await frame();
    ran = clicked !== undefined && (document.querySelector(running) !== null || stands()); // a short run may not be seen
  }
  while (document.querySelector(running) || !stands()) await frame();
  await frame(); // what stood at the one before has been painted
  return performance.now() - clicked;
}"""
"""Milliseconds from the next click to the frame after the one in which the script is at rest, and title and charts are there."""


def on_the_server(run_id: str, rounds: int) -> dict[str, float]:
    """Median seconds of the script for each view; a new page of pictures each time, so that nothing is cached."""
    page = AppTest.from_file(str(turns.ROOT / "app.py"), default_timeout=60).switch_page("pages/5_test.py")
    found = {}
    for view in VIEWS:
        page.query_params.clear()
        seconds = []
        for number in range(rounds + 1):
            page.query_params.update({"run": run_id, "view": view})
            page.query_params.update({"page": str(number + 1)} if view == "mistakes" else {"sample": str(number)})
            began = time.perf_counter()
            page.run()
            seconds.append(time.perf_counter() - began)
            if page.exception:
                raise RuntimeError(page.exception[0].message)
        found[view] = statistics.median(seconds[1:])
    return found


def in_the_browser(page: Page, rounds: int) -> dict[str, float]:
    """Median seconds from a click on each view's name until it stands there."""
    found: dict[str, list[float]] = {view: [] for view in VIEWS}
    first, *others = VIEWS  # the page stands at the first: a click on that would change nothing
    for _round in range(rounds + 1):
        for view in (*others, first):
            heading = VIEWS[view]
            name = page.get_by_role("radio", name=view.capitalize(), exact=True)
            name.hover()  # brings it into view, again where it has just been drawn anew
            box = name.bounding_box()
            assert box
            page.evaluate(f"(told) => {{ window.stood = ({UNTIL_IT_STANDS})(told); }}", [heading, RUNNING])
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            found[view].append(page.evaluate("() => window.stood") / 1000)
            page.wait_for_timeout(300)
    return {view: statistics.median(seconds[1:]) for view, seconds in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1 if turns.IS_QUICK else 10)
    parser.add_argument("--port", type=int, default=8732)
    parser.add_argument("--run", default="", help="a run that is there already, in $FMNIST_RUNS")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure pages")
    with nullcontext(arguments.run) if arguments.run else trained_run() as run_id:
        script = on_the_server(run_id, arguments.rounds)
        server = Server(arguments.port)
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(f"{server.address}/test?run={run_id}")
                page.get_by_role("heading", name=VIEWS["classes"]).wait_for(timeout=60_000)
                page.wait_for_selector(AT_REST, state="attached", timeout=60_000)
                page.wait_for_timeout(1000)
                drawn = in_the_browser(page, arguments.rounds)
                browser.close()
            if server.has_torch:
                raise RuntimeError("the Test page has imported torch")
            resident = server.resident
        finally:
            server.close()
    rows = [(f"{view}: script, ms", f"{1000 * script[view]:.0f}", "300 at most") for view in VIEWS]
    rows += [
        (f"{view}: from the click until it stands there, ms", f"{1000 * drawn[view]:.0f}", "300 at most")
        for view in VIEWS
    ]
    rows.append(("web process after all views, MB", f"{resident:.0f}", "300 at most"))
    turns.report(
        "views",
        rows,
        {
            "script_ms": {view: round(1000 * seconds) for view, seconds in script.items()},
            "browser_ms": {view: round(1000 * seconds) for view, seconds in drawn.items()},
            "resident_mb": round(resident),
        },
    )


if __name__ == "__main__":
    main()

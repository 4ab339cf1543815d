"""The time slider while it is dragged: from the pointer's move to the redrawn panel, in a real Chromium.

python -m benchmarks.slider [--moves 60] [--port 8733]

A short run is trained, so that there are about a hundred moments; then the mouse drags the slider on the Test page, held
down all the time. Timed is from the browser's event (its own time stamp) until the frame after the drawing has been
painted. Then it is let go: how long until the server's figures are about the new moment.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time

from playwright.sync_api import sync_playwright

from benchmarks import turns
from benchmarks.pages import CHROMIUM, SWITCHES, Server
from benchmarks.processes import wait_until
from fmnist_core.recipes import TrainingConfig
from fmnist_core.runs import client

WATCH = """() => {
  window.moves = [];
  document.addEventListener("input", (event) => {
    const painted = new MessageChannel();
    painted.port1.onmessage = () => window.moves.push(performance.now() - event.timeStamp);
    requestAnimationFrame(() => painted.port2.postMessage(null)); // heard after this frame has been painted
  }, true);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moves", type=int, default=60)
    parser.add_argument("--port", type=int, default=8733)
    parser.add_argument("--run", default="", help="a run that is there already, in $FMNIST_RUNS")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure the slider")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        if not arguments.run:
            os.environ["FMNIST_RUNS"] = folder
        server = Server(arguments.port)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        try:
            run = arguments.run or client.start(TrainingConfig(batch_size=100, epochs=1, learning_rate=0.02))
            wait_until(lambda: not client.get(run).is_active, "the end of the run")
            moments = len(client.folder(run).logit_steps())
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(f"{server.address}/test?run={run}")
            page.wait_for_selector(".time[data-ready=true]", timeout=60_000)
            page.wait_for_timeout(3000)
            page.evaluate(WATCH)
            box = page.locator(".time input[type=range]").bounding_box()
            assert box
            y = box["y"] + box["height"] / 2
            page.mouse.move(box["x"] + box["width"] - 8, y)
            page.mouse.down()
            for n in range(arguments.moves):
                page.mouse.move(box["x"] + 8 + (box["width"] - 16) * (1 - (n + 1) / arguments.moves), y)
                page.wait_for_timeout(30)
            moves: list[float] = page.evaluate("() => window.moves")
            page.mouse.up()
            began = time.perf_counter()
            page.wait_for_url("**step=0**")
            page.wait_for_selector("body:not(.time-moves)", state="attached")
            follows = time.perf_counter() - began
        finally:
            browser.close()
            server.process.terminate() if arguments.run else server.close()
    middle, slowest = statistics.median(moves), max(moves)
    rows = [
        ("from the pointer's move to the painted panel, median, ms", f"{middle:.0f}", "150 at most"),
        ("the slowest of them, ms", f"{slowest:.0f}", "150 at most"),
        ("after letting go, until the page has followed, s", f"{follows:.2f}", ""),
    ]
    turns.report(
        "slider",
        rows,
        {
            "moments": moments,
            "moves": len(moves),
            "median_ms": round(middle, 1),
            "slowest_ms": round(slowest, 1),
            "page_follows_s": round(follows, 2),
        },
    )


if __name__ == "__main__":
    main()

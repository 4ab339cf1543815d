"""The time slider: from a move of its handle to the screen, and to the page's galleries that follow.

python -m benchmarks.slider [--port 8733]

A real run with its snapshots, in a real Chromium: the handle goes through all moments, one each 50 ms; for each the time until
the browser has painted accuracy, matrix and filters. Then it is let go, ten times: until the server has drawn the rest.
"""

from __future__ import annotations

import argparse
import contextlib
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
from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from pages.parts.streamlit_inside import AT_REST, RUNNING

RELEASES = 10

DRAG = """async (range) => {
  const times = [], wait = (ms) => new Promise((done) => setTimeout(done, ms));
  range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, composed: true }));
  for (let at = 0; at <= Number(range.max); at += 1) {
    const began = performance.now();
    range.value = at;
    range.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    times.push(performance.now() - began);
    await wait(50);
  }
  range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true, composed: true }));
  return times;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8733)
    port = parser.parse_args().port
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure pages")
    runs = tempfile.mkdtemp()
    os.environ["FMNIST_RUNS"] = runs
    try:
        run_id = client.start(TrainingConfig(epochs=1), "Measured")
        wait_until(lambda: client.get(run_id).state.is_final, "the end of training")
        wait_until(lambda: client.folder(run_id).snapshots.is_developed, "the predictions of its snapshots")
        moments = len(client.folder(run_id).logit_steps())
        server = Server(port)
        with contextlib.closing(server), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{server.address}/test?run={run_id}")
            handle = page.get_by_role("slider", name="Moment of the run")
            handle.wait_for(timeout=60_000)
            page.wait_for_selector(AT_REST, state="attached")
            page.wait_for_timeout(2000)
            drawn = handle.evaluate(DRAG)
            page.wait_for_timeout(2000)
            followed = []
            for number in range(RELEASES):
                began = time.perf_counter()
                handle.press("Home" if number % 2 else "End")
                handle.press("ArrowRight" if number % 2 else "ArrowLeft")
                page.wait_for_selector(RUNNING, state="attached")
                page.wait_for_selector(AT_REST, state="attached")
                followed.append(1000 * (time.perf_counter() - began))
                page.wait_for_timeout(300)
            browser.close()
    finally:
        shutil.rmtree(runs, ignore_errors=True)
    median, slowest, rest = statistics.median(drawn), max(drawn), statistics.median(followed)
    turns.report(
        "slider",
        [
            (f"dragged through {moments} moments, painted: median", f"{median:.0f} ms", "150 ms"),
            ("slowest", f"{slowest:.0f} ms", "150 ms"),
            ("let go, until the rest of the page has followed", f"{rest:.0f} ms", ""),
        ],
        {"moments": moments, "median_ms": round(median), "slowest_ms": round(slowest), "followed_ms": round(rest)},
    )


if __name__ == "__main__":
    main()

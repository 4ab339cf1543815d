"""From a loss that is computed to the same loss on the screen, in a real Chromium.

python -m benchmarks.live [--seconds 20] [--port 8732]

A worker collects losses for 0.2 s and writes them down; the chart asks for news every 0.25 s. Timed is from the first of the
collected losses (`NEWS_EVERY` before they were written) to the drawn chart, which tells in its description how far it has come.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time

from playwright.sync_api import sync_playwright

from benchmarks import turns
from benchmarks.pages import CHROMIUM, SWITCHES, Server
from benchmarks.processes import wait_until
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.format import from_json
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses

NEWS_EVERY = 0.2
"""As in fmnist_core/training/loop.py, which needs torch."""

WATCH = """() => {
  window.drawn = [];
  const look = () => {
    const steps = /after (\\d+) batches/.exec(document.querySelector(".live-loss").getAttribute("aria-label") ?? "");
    if (steps) window.drawn.push([Date.now() / 1000, Number(steps[1])]);
  };
  new MutationObserver(look).observe(document.querySelector(".live-loss"), { attributeFilter: ["aria-label"] });
}"""


def follow(run: RunFolder, written: list[tuple[float, int]], ended: threading.Event) -> None:
    """When which step stood in the run's record."""
    offset = 0
    while not ended.wait(0.005):
        lines, offset = run.read_events(offset)
        news = [event for event in map(from_json, lines) if isinstance(event, Losses)]
        written += [(time.time(), event.step + len(event.losses)) for event in news]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0 if turns.IS_QUICK else 20.0)
    parser.add_argument("--port", type=int, default=8732)
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure the live chart")
    written: list[tuple[float, int]] = []
    ended = threading.Event()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        os.environ["FMNIST_RUNS"] = folder
        server = Server(arguments.port)
        browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        try:
            run = client.folder(client.start(TrainingConfig(device="cpu")))
            follower = threading.Thread(target=follow, args=(run, written, ended))
            follower.start()
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{server.address}/train?run={run.id}")
            page.wait_for_selector(".live-loss .main-svg", timeout=60_000)
            page.evaluate(WATCH)
            page.wait_for_timeout(1000 * arguments.seconds)
            drawn: list[tuple[float, int]] = page.evaluate("() => window.drawn")
            client.stop(run.id)
            wait_until(lambda: not client.get(run.id).is_active, "the stop")
        finally:
            ended.set()
            browser.close()
            server.close()
        follower.join()
    when = {step: at for at, step in written}
    lags = [at - when[steps] + NEWS_EVERY for at, steps in drawn if steps in when]
    moves = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(drawn)]
    rows = [
        ("a loss, from computed to on screen, s", f"{statistics.median(lags):.2f}", ""),
        ("the slowest of them, s", f"{max(lags):.2f}", "2 at most"),
        ("between two moves of the chart, s", f"{statistics.median(moves):.2f}", "1 at most"),
    ]
    turns.report(
        "live",
        rows,
        {
            "moves": len(drawn),
            "loss_on_screen_s": round(statistics.median(lags), 3),
            "slowest_s": round(max(lags), 3),
            "between_moves_s": round(statistics.median(moves), 3),
        },
    )


if __name__ == "__main__":
    main()

"""The time slider: from a move of its handle to the screen, and to the page's galleries that follow.

python -m benchmarks.slider [--port 8733]

A real run with its snapshots, in a real Chromium: the handle goes through all moments, one each 50 ms; for each the time until
the browser has painted accuracy, matrix and filters. Then it is let go, ten times: until the server has drawn the rest.
"""

from __future__ import annotations

import statistics
import time

from benchmarks import chromium, turns
from fmnist_core.runs import client
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
    port = chromium.port(__doc__, 8733)
    with chromium.trained_run(port, developed=True) as shown:
        moments, page = len(client.folder(shown.run_id).logit_steps()), shown.page
        shown.open(f"test?run={shown.run_id}", '.time input[type="range"]')
        handle = page.get_by_role("slider", name="Moment of the run")
        drawn = handle.evaluate(DRAG)
        page.wait_for_timeout(2000)
        followed = []
        for number in turns.rounds(RELEASES):
            began = time.perf_counter()
            handle.press("Home" if number % 2 else "End")
            handle.press("ArrowRight" if number % 2 else "ArrowLeft")
            page.wait_for_selector(RUNNING, state="attached")
            page.wait_for_selector(AT_REST, state="attached")
            followed.append(1000 * (time.perf_counter() - began))
            page.wait_for_timeout(300)
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

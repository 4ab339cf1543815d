"""The page Inside: from the pointer to the arithmetic, from the slider to the whole way, from an edit to its figures.

python -m benchmarks.inside [--port 8735]

A real run with its snapshots, in a real Chromium. Hover: the pointer goes over all maps; the time that the browser works for each
move, until the window is outlined and the numbers stand. Slider: until weights have come and every map is painted. Surgery:
all 10,000 test pictures through a changed network, as the page does it.
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
from fmnist_core.data import dataset
from fmnist_core.inside.edits import Edits
from fmnist_core.runs import client
from fmnist_core.runs.opened import opened, opened_steps
from fmnist_core.settings.config import TrainingConfig
from pages.parts.streamlit_inside import AT_REST

ROUNDS = 15

HOVER = """async (inside) => {
  inside.times = [];
  for (const canvas of inside.querySelectorAll(".stage canvas")) {
    const box = canvas.getBoundingClientRect();
    for (let n = 0; n < 40; n += 1) {
      const [clientX, clientY] = [box.left + (box.width * ((7 * n) % 40)) / 40, box.top + (box.height * ((11 * n) % 40)) / 40];
      canvas.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, pointerType: "mouse", bubbles: true }));
      await new Promise((done) => requestAnimationFrame(done));
    }
  }
  return inside.times;
}"""

DRAG = """async (range) => {
  const times = [], found = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.classList.contains("inside")) return element;
      const deeper = element.shadowRoot && found(element.shadowRoot);
      if (deeper) return deeper;
    }
  };
  const inside = found(document);
  range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, composed: true }));
  for (let at = Number(range.max) - 1; at >= 0; at -= 1) {
    const began = performance.now(), before = inside.dataset.step;
    range.value = at;
    range.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
    while (inside.dataset.step === before && performance.now() - began < 5000) await new Promise(requestAnimationFrame);
    times.push(performance.now() - began);
  }
  range.dispatchEvent(new PointerEvent("pointerup", { bubbles: true, composed: true }));
  return times;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8735)
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
        server = Server(port)
        with contextlib.closing(server), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{server.address}/inside?run={run_id}&index=12")
            inside = page.locator(".inside[data-ready=true]")
            inside.wait_for(timeout=60_000)
            page.wait_for_selector(AT_REST, state="attached")
            page.wait_for_timeout(2000)
            hovered = inside.evaluate(HOVER)
            dragged = page.get_by_role("slider", name="Moment of the run").evaluate(DRAG)
            browser.close()
        folder = client.folder(run_id)
        operated = operations(opened(folder, opened_steps(folder)[-1]))
    finally:
        shutil.rmtree(runs, ignore_errors=True)
    hover, slowest = statistics.median(hovered), max(hovered)
    drag, worst, surgery = statistics.median(dragged), max(dragged), statistics.median(operated)
    turns.report(
        "inside",
        [
            (f"pointed at {len(hovered)} values, until outlined and worked out: median", f"{hover:.1f} ms", "16 ms"),
            ("slowest", f"{slowest:.1f} ms", ""),
            (f"slider through {len(dragged)} moments, the whole way painted: median", f"{drag:.0f} ms", "150 ms"),
            ("slowest", f"{worst:.0f} ms", "150 ms"),
            ("an edit scored on 10,000 test pictures: median", f"{surgery:.2f} s", "0.5 s"),
        ],
        {"hover_ms": round(hover, 2), "slider_ms": round(drag), "surgery_s": round(surgery, 3)},
    )


def operations(network) -> list[float]:
    """Seconds from an edit to its logits."""
    images, seconds = dataset.load("test").images, []
    for unit in range(ROUNDS):
        began = time.perf_counter()
        Edits.parse(f"mute:conv1:{unit % 10}", network).patient(network).logits(images)
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()

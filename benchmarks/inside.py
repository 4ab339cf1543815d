"""The page Inside: from the pointer to the arithmetic, from the slider to the whole way, from an edit to its figures.

python -m benchmarks.inside [--port 8735]

A real run with its snapshots, in a real Chromium. Hover: the pointer goes over all maps; the time that the browser works for each
move, until the window is outlined and the numbers stand. Slider: until weights have come and every map is painted. Surgery:
all 10,000 test pictures through a changed network, as the page does it.
"""

from __future__ import annotations

import statistics
import time
from unittest import mock

from benchmarks import chromium, turns
from fmnist_core.data import dataset
from fmnist_core.inside.edits import Edits
from fmnist_core.inside.network import Network
from fmnist_core.inside.rescoring import Kept
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened, opened_steps

ROUNDS = 15

HOVER = """async (inside) => {
  inside.times = [];
  const until = performance.now() + LEFT;
  for (const canvas of inside.querySelectorAll(".stage canvas")) {
    const box = canvas.getBoundingClientRect();
    for (let n = 0; n < 40 && performance.now() < until; n += 1) {
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
  const inside = found(document), until = performance.now() + LEFT;
  range.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true, composed: true }));
  for (let at = Number(range.max) - 1; at >= 0 && performance.now() < until; at -= 1) {
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
    port = chromium.port(__doc__, 8735)
    with chromium.trained_run(port) as shown:
        folder = client.folder(shown.run_id)
        network = opened(folder, opened_steps(folder)[-1])
        operated, without = operations(network), without_compiler(network)
        shown.open(f"inside?run={shown.run_id}&index=12", ".inside[data-ready=true]")
        inside = shown.page.locator(".inside")
        hovered = inside.evaluate(HOVER.replace("LEFT", str(chromium.left(0.75))))
        slider = shown.page.get_by_role("slider", name="Moment of the run")
        dragged = slider.evaluate(DRAG.replace("LEFT", str(chromium.left(0.95))))
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
            *(
                (f"without a compiler, {what}", f"{1000 * seconds:.0f} ms", "500 ms")
                for what, seconds in without.items()
            ),
        ],
        {"hover_ms": round(hover, 2), "slider_ms": round(drag), "surgery_s": round(surgery, 3)}
        | {"without_compiler_ms": {what: round(1000 * seconds, 1) for what, seconds in without.items()}},
    )


def operations(network: Network) -> list[float]:
    """Seconds from an edit to its logits."""
    images, seconds = dataset.load("test").images, []
    for unit in turns.rounds(ROUNDS, 0.5):
        began = time.perf_counter()
        Edits.parse(f"mute:conv1:{unit % 10}", network).patient(network).logits(images)
        seconds.append(time.perf_counter() - began)
    return seconds


def without_compiler(network: Network) -> dict[str, float]:
    """Seconds from an edit to its logits in NumPy: an edit of what it changes, and one that changes all."""
    images = dataset.load("test").images
    edits = {
        "a map of conv2 muted": "mute:conv2:3",
        "a unit of fc1 muted": "mute:fc1:7",
        "a weight of fc2": "weight:fc2:1:2:3",
    }
    found = {}
    kept = Kept.of(network, images)
    for what, text in edits.items():
        patient, seconds = Edits.parse(text, network).patient(network), []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            if kept.logits(patient) is None:
                raise RuntimeError(f"{what} is not scored by parts")
            seconds.append(time.perf_counter() - began)
        found[what] = statistics.median(seconds)
    with mock.patch.dict("os.environ", FMNIST_COMPILED="0"):
        began = time.perf_counter()
        Edits.parse("mute:conv1:0", network).patient(network).logits(images)
        found["a map of conv1 muted"] = time.perf_counter() - began
    return found


if __name__ == "__main__":
    main()

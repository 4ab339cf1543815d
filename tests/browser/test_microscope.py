"""What the browser computes of a network, held against torch: every value, and every sum that it writes out."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page

from fmnist_core.data import dataset
from fmnist_core.inside.graph import graph as nodes_of
from fmnist_core.inside.stages import stages, to_json
from fmnist_core.inside.units import window
from fmnist_core.settings.config import TrainingConfig
from tests.browser.conftest import ROOT
from tests.inside.conftest import Twins, as_torch, trained

PARTS = ROOT / "pages" / "parts" / "components" / "microscope"
CODE = "\n".join((PARTS / name).read_text() for name in ("net.js", "arithmetic.js"))
OPEN = """([code, graph, order, weights, mean]) => {
  const all = new Float32Array(Uint8Array.from(atob(weights), (c) => c.charCodeAt(0)).buffer);
  let from = 0;
  const tensors = new Map(order.map(([name, count]) => [name, all.subarray(from, (from += count))]));
  const { Net, explain } = new Function(`${code}; return { Net, explain };`)();
  const net = new Net(graph.nodes, tensors), nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const f = Math.fround;
  window.look = (pixels) => {
    const picture = Uint8Array.from(atob(pixels), (c) => c.charCodeAt(0));
    net.forward(Float32Array.from(picture, (v) => (mean ? f(f(f(v / 255) - f(mean[0])) / f(mean[1])) : f(v / 255))));
    window.at = { net, nodes, stages: graph.stages, classes: "0123456789".split(""), picture, channel: null, narrow: false };
    return Array.from(net.logits);
  };
  window.explained = (stage, unit, row, column) => explain(window.at, graph.stages[stage], unit, row, column);
  window.slopes = (seed) => {
    const { slopes, constant } = net.backward(seed);
    return [Array.from(slopes.get("input")), constant];
  };
}"""


@pytest.fixture
def blank(browser: Browser):
    """An empty page: nothing of the app but the two files."""
    page = browser.new_page()
    yield page
    page.close()


def opened(page: Page, twins: Twins) -> None:
    weights = twins.ours.weights
    names = [name for node in twins.ours.nodes for name in node.tensors]
    content = b"".join(weights[name].astype(np.float32).tobytes() for name in names)
    mean = [dataset.MEAN, dataset.STD] if twins.ours.config.standardise else None
    order = [[name, int(weights[name].size)] for name in names]
    graph = json.loads(json.dumps(to_json(twins.ours.nodes)))
    page.evaluate(OPEN, [CODE, graph, order, base64.b64encode(content).decode(), mean])


def show(page: Page, image: np.ndarray) -> np.ndarray:
    return np.array(page.evaluate("(p) => window.look(p)", base64.b64encode(image.tobytes()).decode()))


@pytest.mark.parametrize(
    "architecture",
    ["net", "residual", *(pytest.param(n, marks=pytest.mark.slow) for n in ("linear", "perceptron", "deep"))],
)
def test_logits_and_ledger_are_torchs(blank: Page, architecture: str):
    """Ten logits of 20 pictures within 1e-4 of torch's; pixels times slopes and the constant add up to each logit."""
    twins = trained(architecture, architecture == "residual")
    opened(blank, twins)
    images = dataset.load("test").images[:20]
    with torch.no_grad():
        theirs = twins.torch(as_torch(images, twins.ours.config.standardise)).numpy()
    x = twins.ours.input(images).reshape(len(images), -1).astype(np.float64)
    for n, image in enumerate(images):
        logits = show(blank, image)
        np.testing.assert_allclose(logits, theirs[n], atol=1e-4)
        slopes, constant = blank.evaluate(
            "(k) => window.slopes([...Array(10).keys()].map((i) => Number(i === k)))", n % 10
        )
        assert abs(float(x[n] @ np.array(slopes)) + constant - logits[n % 10]) < 1e-4


def test_every_shown_sum_adds_up_to_torchs_value(blank: Page):
    """A random value of each layer for 100 pictures: its terms add up to it to the last digit, and it is torch's."""
    twins = trained("net", False)
    opened(blank, twins)
    rng, images = np.random.default_rng(0), dataset.load("test").images
    whole = stages(twins.ours.nodes)
    for index in rng.permutation(10_000)[:100].tolist():
        show(blank, images[index])
        values = twins.ours.values(images[index][None])
        with torch.no_grad():
            maps = torch.relu(twins.torch.conv1(as_torch(images[index][None])))[0].numpy()
        for place, stage in enumerate(whole):
            unit = int(rng.integers(stage.units))
            row, column = (int(rng.integers(side)) for side in stage.shape[1:]) if len(stage.shape) == 3 else (0, 0)
            found = blank.evaluate("(at) => window.explained(...at)", [place, unit, row, column])
            truth = values[stage.output.name][0]
            truth = float(truth[unit, row, column] if truth.ndim == 3 else truth[unit])
            if stage.name == "conv1":
                assert abs(truth - maps[unit, row, column]) < 1e-5
            assert abs(found["value"] - truth) < 6e-4, (stage.name, found["html"])
            check_sums(found["html"], stage.name)


def numbers(text: str) -> list[int]:
    """All numbers with three digits after the point, in thousandths."""
    return [round(1000 * float(n.replace("−", "-"))) for n in re.findall(r"−?\d+\.\d{3}(?!\d)", unescape(text))]


def check_sums(html: str, layer: str) -> None:
    result = numbers(re.findall(r'<p class="result">(.*?)</p>', html, re.DOTALL)[0])
    minus = " − bias" in html
    if layer in ("conv1", "conv2"):
        products = numbers(html.split("products</caption>")[1].split("</table>")[0])
        maps = [numbers(button)[0] for button in re.findall(r"<button.*?</button>", html)]
        chosen = [numbers(button)[0] for button in re.findall(r'<button[^>]*class="here".*?</button>', html)] or result[
            :1
        ]
        assert len(products) == 9
        assert sum(products) == chosen[0]
        assert sum(maps or chosen) == result[0]
        assert result[0] + (-result[1] if minus else result[1]) == result[2]
    elif layer in ("fc1", "fc2"):
        terms = [
            numbers(line)[-1]
            for line in re.findall(r"<button.*?</button>|<span class=\"rest\">.*?</span></span>", html)
        ]
        assert len(terms) == 14  # twelve terms, all others together, the bias
        assert sum(terms) == result[0]
    if layer == "fc2":
        shares = [float(n) for n in re.findall(r">(\d+\.\d) %</td>", html)]
        assert len(shares) == 11
        assert sum(round(10 * share) for share in shares[:10]) == 1000
        powers = numbers(html.split("</sup></td>")[1].split("</tr>")[0])
        assert sum(powers[:10]) == powers[10]


FOLD = """([code, graph, chosen]) => {
  const { blockOf, unfolded, behind } = new Function(`${code}; return { blockOf, unfolded, behind };`)();
  const { stages } = graph, nodes = new Map(graph.nodes.map((node) => [node.name, node]));
  const stage = stages.find((one) => one.name === chosen), block = blockOf(stages, stage), shown = unfolded(stages, block);
  const input_stage = { name: "input", shape: [1, 28, 28] };
  const views = [input_stage, ...shown].map((one) => ({ stage: one, count: one.shape[0], height: one.shape[1] ?? 1, width: one.shape[2] ?? 1 }));
  const lit = [...behind({ nodes, stages, views, input_stage }, { stage, unit: 0 }, 3, 3)];
  return [shown.map((one) => one.name), lit.map(({ view, field }) => [view.stage.name, field])];
}"""


def test_a_deep_network_is_shown_by_its_blocks(blank: Page):
    """Of 78 stages 23; within the chosen block all of them; windows reach the picture also through blocks that are folded."""
    nodes = nodes_of(TrainingConfig(architecture="wide"))
    graph = json.loads(json.dumps(to_json(nodes)))
    code = (PARTS / "windows.js").read_text()
    shown, _ = blank.evaluate(FOLD, [code, graph, "fc"])
    assert shown == ["conv", *(f"blocks.{n}" for n in range(18)), "norm", "mean", "fc"]
    shown, lit = blank.evaluate(FOLD, [code, graph, "blocks.7.conv2"])
    assert {"blocks.7.conv1", "blocks.7.conv2", "blocks.7"} <= set(shown)
    assert len(shown) == 22 + 3
    fields = dict(map(tuple, lit))
    assert fields["blocks.7.conv2"] == [3, 3, 3, 3]
    assert fields["blocks.7.conv1"] == [2, 4, 2, 4]
    stage = next(stage for stage in stages(nodes) if stage.name == "blocks.7.conv2")
    assert fields["input"] == list(window(SimpleNamespace(nodes=nodes), stage, 3 * 14 + 3))  # type: ignore[arg-type]
    for name in ("residual", "deep", "net"):
        small = json.loads(json.dumps(to_json(nodes_of(TrainingConfig(architecture=name)))))
        assert blank.evaluate(FOLD, [code, small, small["stages"][-1]["name"]])[0] == [
            s["name"] for s in small["stages"]
        ]

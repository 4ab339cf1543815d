"""A run on one page to print or to hand in: one HTML file with everything in it, which asks no network for anything."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image

from fmnist_core.data import dataset
from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.export import words
from fmnist_core.export.results import Results, results_of, score_of, split_of
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.views.charts import window_means

WIDTH, HEIGHT, LEFT, BOTTOM = 640, 240, 44, 28
"""Of a chart, in SVG units, and the room that its axes take."""
MISTAKES = 40
TRAIN, TEST = "#0072B2", "#D55E00"

STYLE = """
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 760px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; break-after: avoid }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th, td { padding: .15rem .7rem .15rem 0; text-align: left }
td.n, th.n { text-align: right } th { font-weight: 600; border-bottom: 1px solid #bbb }
.matrix td { width: 2.6rem; padding: .25rem; text-align: center; border: 1px solid #fff }
.matrix th { border: 0; font-size: .8rem; white-space: nowrap }
.scroll { overflow-x: auto } figure { margin: 0; break-inside: avoid } svg { width: 100%; height: auto }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: .6rem }
.gallery img { width: 84px; height: 84px; image-rendering: pixelated } .gallery figcaption { font-size: .72rem; line-height: 1.25 }
.small { color: #555; font-size: .85rem }
@media print { body { margin: 0 } a { color: inherit } }
"""


def report(run: Run) -> bytes:
    """The file, UTF-8. Raises ExportRefused where nothing can be said."""
    results = results_of(run)
    parts = [
        f"<h1>{escape(run.title)}</h1>",
        f'<p class="small">Run {run.sequence} of Fashion-MNIST Lab {words.app_version()}, started {escape(run.created_at[:10])}, '
        f"{run.state}, {run.step:,} steps. Id {run.id}.</p>",
    ]
    if run.note:
        parts.append(f"<p>{escape(run.note)}</p>")
    parts += [_headline(run, results), _settings(run), _curves(run)]
    if results is not None:
        parts += [_classes(results)]
        if results.evaluation is not None:
            parts += [_matrix(results), _mistakes(run, results)]
    title = escape(run.title)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )
    return page.encode()


def _headline(run: Run, results: Results | None) -> str:
    if results is None:
        return "<p>It has not been tested yet.</p>"
    score = results.score
    low, high = wilson(sum(score.correct), sum(score.total))
    before = score_of(run, run.measured[0])
    when = "Where it branched off" if run.parent else "Before training"
    began = f" {when}: {before.accuracy:.2%}." if before else ""
    sealed = " The test images wait for the choice in its sweep." if run.is_sealed else ""
    return (
        f"<p><strong>{score.accuracy:.2%}</strong> of {results.images} are right (95&nbsp;% interval {low:.1%} to {high:.1%}), "
        f"loss {score.loss:.4f} nats.{began}{sealed}</p>"
    )


def _settings(run: Run) -> str:
    default = type(run.config)()
    changed = words.changed_settings(run.config)
    rows = [(words.label(n), words.number(v), words.number(getattr(default, n))) for n, v in changed.items()]
    found = _table(("setting", "this run", "the tutorial"), rows) if rows else "<p>Those of the tutorial.</p>"
    how = (
        f"<p>Trained in {run.seconds:,.1f} s on {escape(run.device or 'an unknown device')} by {words.ENGINES[run.engine]}, seed "
        f"{run.config.seed}.</p>"
    )
    changes = "".join(
        f"<li>after step {c.step:,}: learning rate {c.learning_rate:g}, momentum {c.momentum:g}</li>"
        for c in run.changes
    )
    steered = f"<p>Changed while it trained:</p><ul>{changes}</ul>" if changes else ""
    branched = ""
    if run.parent:
        branched = f"<p>It branched off from run {escape(run.parent.run_id)} after step {run.parent.step:,}.</p>"
    return f"<h2>Settings</h2>{found}{how}{branched}{steered}"


# --- Curves --------------------------------------------------------------------------------------------------------


def _curves(run: Run) -> str:
    steps = run.config.steps_per_epoch
    epochs, means = window_means(client.folder(run.id).losses(), run.config.batch_size, steps)
    epochs = [epoch + run.first_step / steps for epoch in epochs]
    measured = [(m.epoch, score) for m in run.measured if (score := score_of(run, m))]
    images = "test images" if split_of(run) == "test" else "held-out images"
    losses = [(epoch, score.loss) for epoch, score in measured]
    right = [(epoch, 100 * score.accuracy) for epoch, score in measured]
    trained = [(m.epoch, 100 * m.train.accuracy) for m in run.measured]
    batches = list(zip(epochs, means, strict=True))
    loss = _chart("Loss (nats)", [("training batches", TRAIN, batches, False), (images, TEST, losses, True)])
    accuracy = _chart("Accuracy (%)", [("training images", TRAIN, trained, True), (images, TEST, right, True)])
    return f"<h2>How it learned</h2>{loss}{accuracy}"


def _chart(title: str, curves: Sequence[tuple[str, str, list[tuple[float, float]], bool]]) -> str:
    """Lines over epochs as SVG; the last word of each curve says whether its points are marked."""
    points = [point for _name, _colour, some, _marked in curves for point in some if np.isfinite(point).all()]
    if not points:
        return ""
    last = max(x for x, _y in points) or 1
    low, high = min(y for _x, y in points), max(y for _x, y in points)
    low, high = (0.0 if low < high / 2 else low, high if high > low else low + 1)

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - 8) * x / last
        return across, HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 24) * (y - low) / (high - low)

    drawn = []
    for share in (0.0, 0.5, 1.0):
        value = low + share * (high - low)
        _x, y = place(0, value)
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>')
        drawn.append(
            f'<text x="{place(share * last, low)[0]:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{share * last:.3g}</text>'
        )
    for _name, colour, some, is_marked in curves:
        at = [place(x, y) for x, y in some if np.isfinite((x, y)).all()]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        drawn.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        if is_marked:
            drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
    names = "&#160;&#160; ".join(
        f'<tspan fill="{colour}">{escape(name)}</tspan>' for name, colour, _some, _marked in curves
    )
    drawn.append(f'<text x="{WIDTH - 8}" y="14" text-anchor="end">{names}</text>')
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)} over epochs" font-size="12" '
        f'font-family="system-ui, sans-serif"><text x="4" y="14" font-weight="600">{escape(title)}</text>'
        f'{"".join(drawn)}</svg><figcaption class="small">Epochs</figcaption></figure>'
    )


# --- What it got right and wrong -----------------------------------------------------------------------------------


def _classes(results: Results) -> str:
    rows = []
    for name, correct, total in zip(CLASSES, results.score.correct, results.score.total, strict=True):
        low, high = wilson(correct, total)
        rows.append((name, f"{correct / total:.1%}", f"{low:.1%} to {high:.1%}", f"{correct:,} of {total:,}"))
    return f"<h2>Each class</h2>{_table(('class', 'right', '95 % interval', 'images'), rows)}"


def _matrix(results: Results) -> str:
    assert results.evaluation is not None
    matrix = results.evaluation.matrix
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    head = "".join(f'<th scope="col">{number}</th>' for number in range(10))
    rows = []
    for true, name in enumerate(CLASSES):
        cells = []
        for predicted in range(10):
            colour = "0, 114, 178" if true == predicted else "213, 94, 0"
            share = shares[true, predicted]
            ink = "#fff" if share > 0.55 else "#1a1a1a"
            cells.append(
                f'<td style="background: rgba({colour}, {share:.2f}); color: {ink}">{matrix[true, predicted]}</td>'
            )
        rows.append(f'<tr><th scope="row">{true} {escape(name)}</th>{"".join(cells)}</tr>')
    return (
        "<h2>What it takes for what</h2><p>Rows: the true class. Columns: what the network says.</p>"
        f'<div class="scroll"><table class="matrix"><tr><td></td>{head}</tr>{"".join(rows)}</table></div>'
    )


def _mistakes(run: Run, results: Results) -> str:
    """The pictures on which it was most sure and wrong."""
    found = results.evaluation
    assert found is not None
    wrong = np.flatnonzero(~found.is_right)
    worst = wrong[np.argsort(-found.losses[wrong], kind="stable")][:MISTAKES]
    pictures = dataset.load("test" if results.split == "test" else "train").images
    shown = []
    for number in worst:
        index, says, truth = (
            int(results.indices[number]),
            CLASSES[found.predictions[number]],
            CLASSES[results.labels[number]],
        )
        shown.append(
            f'<figure><img src="data:image/png;base64,{_png(pictures[index])}" alt="Picture {index}: {truth}">'
            f"<figcaption>{says} {found.confidences[number]:.0%}<br>({truth})</figcaption></figure>"
        )
    return (
        f"<h2>Its worst mistakes</h2><p>{len(wrong):,} of {results.images} are wrong. These {len(worst)} cost it most: what it says, "
        f'how sure it is, and in brackets the truth.</p><div class="gallery">{"".join(shown)}</div>'
    )


def _png(picture: npt.NDArray[np.uint8]) -> str:
    content = io.BytesIO()
    Image.fromarray(255 - np.asarray(picture)).save(content, "PNG", optimize=True)  # dark on white, for paper
    return base64.b64encode(content.getvalue()).decode()


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    kind = [' class="n"' if number else "" for number in range(len(headings))]
    head = "".join(f'<th scope="col"{kind[number]}>{escape(name)}</th>' for number, name in enumerate(headings))
    body = "".join(
        f"<tr>{''.join(f'<td{kind[number]}>{escape(cell)}</td>' for number, cell in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"

"""What a training run will look like, drawn before there is one."""

from __future__ import annotations

from html import escape

import numpy as np

WIDTH, HEIGHT = 340, 170


def run_to_come(steps_per_epoch: int) -> tuple[str, str]:
    """Two SVGs, 340 x 170 units: a loss that falls from ln 10, an accuracy that rises from chance. Drawn, not measured."""
    x = np.linspace(0.0, 1.0, 60)
    wobble = 0.06 * np.sin(37 * x) * np.exp(-2 * x)
    loss = _panel(
        "The loss falls",
        "ln 10 = 2.303",
        f"each batch: one update of the weights, {steps_per_epoch:,} an epoch",
        0.12 + 0.78 * np.exp(-5 * x) + wobble,
        x,
    )
    accuracy = _panel(
        "The accuracy rises",
        "chance: 10 %",
        "after each epoch, on 10,000 test images",
        0.1 + 0.72 * (1 - np.exp(-4 * x[::10])),
        x[::10],
    )
    return loss, accuracy


def _panel(title: str, start: str, words: str, y: np.ndarray, x: np.ndarray) -> str:
    left, right, top, bottom = 10.0, WIDTH - 10.0, 34.0, HEIGHT - 30.0
    places = [(left + (right - left) * a, bottom - (bottom - top) * b) for a, b in zip(x, y, strict=True)]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    first = places[0][1]
    text = 'fill="currentColor" font-size="12"'
    across, down = (48.0, bottom - 8) if first > HEIGHT / 2 else (left + 10, first + 4)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="100%" role="img" aria-label="{escape(f"{title}: a drawing")}">'
        f'<text x="{left}" y="16" fill="currentColor" font-size="14" font-weight="600">{escape(title)}</text>'
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity="0.45"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--st-primary-color)" stroke-width="2" stroke-dasharray="5 4"/>'
        f'<circle cx="{places[0][0]:.1f}" cy="{first:.1f}" r="3.5" fill="var(--st-primary-color)"/>'
        f'<text x="{across}" y="{down:.1f}" {text}>{escape(start)}</text>'
        f'<text x="{left}" y="{HEIGHT - 10}" {text}>{escape(words)}</text></svg>'
    )

"""What a page says of a run that changes while it trains: state, progress, figures. The live chart polls it."""

from __future__ import annotations

from dataclasses import dataclass

from fmnist_core.runs import client
from fmnist_core.runs.cards import memory_on
from fmnist_core.runs.files.record import Run, State
from pages.parts import frame
from pages.parts.runs.run_list import NOTHING, STATES, duration, is_long_measured, state_words

ENGINES = {"torch": "PyTorch", "compiled": "compiled"}


@dataclass(frozen=True)
class Figure:
    """One number of the line above the chart. Plain text, all of it."""

    label: str
    value: str
    note: str = ""
    help: str = ""


def drawn_for(run: Run) -> str:
    """Tells whether the page that was drawn for a run still fits it: buttons, changes, what is being waited for."""
    stage = "active" if run.is_active else run.state
    return f"{stage} {len(run.changes)} {run.stopping} {run.pausing}"


def now(run: Run) -> dict[str, object]:
    """For the chart, as JSON: `key` (see `drawn_for`), `state`, `words`, `progress` in [0, 1], `figures`."""
    return {
        "key": drawn_for(run),
        "state": "stalled" if run.stalled and run.is_active and not is_long_measured(run) else run.state,
        "title": state_words(run),
        "words": words(run),
        "progress": run.progress,
        "figures": [vars(figure) for figure in figures(run)],
    }


def words(run: Run) -> str:
    """What the state means, in a sentence."""
    if is_long_measured(run):
        return "On 20,000 pictures: with a large network that takes minutes. If it never ends, its worker may be suspended."
    if run.stalled and run.is_active:
        return "Its worker is alive but has said nothing for 30 seconds: it may be suspended."
    if run.state is State.QUEUED and not run.reason:
        return waiting(run)
    if run.state.is_final:
        return STATES[run.state][2]  # why, the verdict says
    return run.reason or STATES[run.state][2]


def waiting(run: Run) -> str:
    """Its place in the queue."""
    found = next((waits for waits in client.queue() if waits.run.id == run.id), None)
    if not found or found.place == 1:
        return "It starts next."
    about = f" It starts in about {duration(found.starts_in)}." if found.starts_in else ""
    return f"Number {found.place} in the queue.{about}"


def figures(run: Run) -> list[Figure]:
    """The line above the chart. What an open sweep hides is not among them."""
    images = (
        "held-out images: the test images wait for the choice in its sweep" if run.is_sealed else "10,000 test images"
    )
    first, last = (measured and measured.shown for measured in (run.before, run.latest))
    is_trained = run.latest is not None and run.latest.step > 0
    left = run.seconds_left
    return [
        Figure(
            "Accuracy",
            frame.percent(last.accuracy) if last and is_trained else NOTHING,
            f"before: {frame.percent(first.accuracy)}" if first else "",
            f"After the last full epoch, of the {images}. Before: with the initial weights; chance is 10 %. An untrained "
            "network often calls nearly everything by the same name, and one name in ten is right.",
        ),
        Figure(
            "Epoch",
            f"{run.step / run.config.steps_per_epoch:.1f} of {run.config.epochs}",
            f"step {run.step:,}",
            "Passes over the training images. A step is one batch: one update of the weights.",
        ),
        Figure(
            "Time",
            duration(run.seconds),
            f"{duration(left)} left" if left is not None else "",
            "Training time, without pauses and measurements. Left: at the present speed.",
        ),
        Figure(
            "Images per second",
            f"{run.images_per_second:,.0f}" if run.images_per_second else NOTHING,
            f"{run.threads} thread{'s' if run.threads > 1 else ''}, {ENGINES[run.engine]}"
            if run.device == "cpu"
            else ", ".join(filter(None, [run.card, memory_on(run.card) if run.is_active else ""])),
            "Training images, of late; the processor's threads that compute, and the engine: PyTorch, or the same steps "
            "compiled for this processor. On a busy processor PyTorch goes on with one thread: several would wait for each "
            "other.",
        ),
    ]

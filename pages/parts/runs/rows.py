"""Runs as lines of a list that follows them: what a browser asks for again and again. Plain text, all of it."""

from __future__ import annotations

import hashlib

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.queue import Waiting
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES
from pages.parts import frame
from pages.parts.runs.run_list import NOTHING, as_tree, duration, state_words
from pages.parts.train.recipe_choice import recipe_of
from pages.parts.train.setting_groups import in_words

UNDER_WAY = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED)


def rows() -> list[dict[str, object]]:
    """All runs, branches below what they left, else the newest first."""
    runs = client.list_runs()
    queue = client.queue() if any(run.state is State.QUEUED for run in runs) else []
    waiting = {found.run.id: found for found in queue}
    return [row(run, depth, waiting.get(run.id)) for run, depth in as_tree(runs)]


def row(run: Run, depth: int = 0, waiting: Waiting | None = None) -> dict[str, object]:
    """One line, as JSON."""
    recipe = recipe_of(run.config)
    score = run.latest.shown if run.latest and run.latest.step else None
    return {
        "id": run.id,
        "title": run.title,
        "depth": depth,
        "state": "under way"
        if run.state in UNDER_WAY
        else "finished"
        if run.state is State.FINISHED
        else "ended early",
        "is_active": run.is_active or run.state is State.PAUSED,
        "is_waiting": run.state is State.QUEUED,
        "colour": run.state,
        "words": state(run, waiting),
        "progress": run.progress if run.state is State.RUNNING else 0.0,
        "accuracy": frame.percent(score.accuracy) if score else NOTHING,
        "share": score.accuracy if score else 0.0,
        "is_held_out": run.is_sealed,
        "epochs": f"{_epochs(run)} of {run.config.epochs}",
        "recipe": recipe or "own",
        "settings": settings(run.config),
        "owner": run.owner or NOTHING,
        "who": mark(run.owner_id, run.owner),
        "time": duration(run.seconds) if run.seconds else NOTHING,
        "started": run.created_at,
        "note": run.note.partition("\n")[0],
        "has_curve": run.step > run.first_step,
    }


def mark(identity: str, name: str) -> str:
    """Tells people apart without telling their ids; of a run from before people had one, by the name."""
    return hashlib.sha256((identity or f"name {name}").encode()).hexdigest()[:12]


def state(run: Run, waiting: Waiting | None) -> str:
    """The state in a few words; of a waiting run when it starts, of a training one how far it is."""
    if waiting:
        is_later = waiting.place > 1 and waiting.starts_in
        return place(waiting) + (f", in about {duration(waiting.starts_in or 0)}" if is_later else "")
    words = state_words(run)
    return f"{words} {100 * run.progress:.0f}\u00a0%" if words == "Training" else words


def place(waiting: Waiting) -> str:
    """Its place in the queue, which stays true for longer than a time."""
    return "Starts next" if waiting.place == 1 else f"Number {waiting.place} in the queue"


def settings(config: TrainingConfig) -> str:
    """The recipe, or what is not the tutorial's."""
    if (name := recipe_of(config)) and name != "tutorial":
        return RECIPES[name].title + (f", seed {config.seed}" if config.seed else "")
    usual = TrainingConfig().to_dict()
    return in_words({key: value for key, value in config.to_dict().items() if value != usual[key]}) or "Tutorial"


def _epochs(run: Run) -> str:
    """What it has trained, also where that is little: "2", "0.5", "0.03"."""
    epochs = run.step / run.config.steps_per_epoch
    return f"{epochs:.1g}" if 0 < epochs < 0.1 else f"{epochs:.1f}".removesuffix(".0")

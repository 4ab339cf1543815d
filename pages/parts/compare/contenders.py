"""What the Compare page compares: runs, or moments of runs, as `?runs=a,b@3000` names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.folder import RunFolder
from fmnist_core.runs.record import Run, State
from fmnist_core.training.events import Measured
from fmnist_core.views.colours import RUNS
from pages.parts import address, controls
from pages.parts.runs.run_picker import title

Mask = npt.NDArray[np.bool_] | None
"""(10,000,) bool: the test pictures that count; None where all do."""


@dataclass(frozen=True)
class Contender:
    """A run as it is now, or as it was after `step`."""

    run: Run
    step: int | None = None
    """None: the newest measurement."""
    name: str = ""
    """Plain text, and no other contender's."""
    colour: str = ""

    @property
    def entry(self) -> str:
        """As the address has it."""
        return self.run.id if self.step is None else f"{self.run.id}@{self.step}"

    @property
    def at(self) -> int:
        """The step that it is about."""
        return (self.run.latest.step if self.run.latest else 0) if self.step is None else self.step

    @property
    def label(self) -> str:
        """For the list to choose from."""
        return title(self.run) if self.step is None else f"{self.run.title} · {self.moment}"

    @property
    def moment(self) -> str:
        """The step in epochs, in words."""
        return "before training" if self.at == 0 else f"after {self.at / self.run.config.steps_per_epoch:.3g} epochs"

    def evaluation(self, mask: Mask = None) -> Evaluation:
        """Its predictions on the test pictures. Raises OSError or ValueError where they are missing or damaged."""
        whole = Evaluation.from_logits(client.folder(self.run.id).logits(self.at), dataset.load("test").labels)
        return whole if mask is None else whole.subset(mask)

    def score(self, mask: Mask = None) -> Score | None:
        """What it gets right; None where that is not known any more."""
        recorded = next((m.test for m in self.run.measured if m.step == self.at), None)
        return recorded if mask is None and recorded else score_of(client.folder(self.run.id), self.at, mask)

    def measured(self, mask: Mask = None) -> list[Measured]:
        """The run's measurements, of the pictures that count."""
        if mask is None:
            return list(self.run.measured)
        folder = client.folder(self.run.id)
        scores = [(m, score_of(folder, m.step, mask)) for m in self.run.measured]
        return [replace(m, test=score) for m, score in scores if score]


def losses_of(run: Run) -> npt.NDArray[np.float32]:
    """The loss of every step so far, (steps,) float32; read again only when there is more to read."""
    folder = client.folder(run.id)
    try:
        return _losses(folder, (folder.path / "events.jsonl").stat().st_size)
    except OSError:
        return np.empty(0, np.float32)


@lru_cache(maxsize=32)
def _losses(folder: RunFolder, size: int) -> npt.NDArray[np.float32]:
    return folder.losses()


def score_of(folder: RunFolder, step: int, mask: Mask) -> Score | None:
    """The score after `step` on the pictures of `mask`; None where the predictions are missing. Counted once."""
    path = folder.path / "snapshots" / f"{step:08d}.npy"
    try:
        return _counted(folder, step, path.stat().st_mtime_ns, None if mask is None else mask.tobytes())
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=2_000)
def _counted(folder: RunFolder, step: int, version: int, mask: bytes | None) -> Score:
    result = Evaluation.from_logits(folder.logits(step), dataset.load("test").labels)
    return (result if mask is None else result.subset(np.frombuffer(mask, bool))).score


# --- The address ---------------------------------------------------------------------------------------------------


def from_address(runs: Sequence[Run], most: int) -> list[Contender]:
    """Those that `?runs=` names, at most `most`; the newest two finished runs where it names none."""
    known = {run.id: run for run in runs}
    words = address.items("runs")
    found = [contender for word in words if (contender := _read(word, known))][:most]
    if len(found) < len(words):
        st.warning(
            f"The address names runs that are not here, or more than {most}: they are left out.",
            icon=":material/link_off:",
        )
    if found or address.has("runs"):
        return found
    finished = [run for run in runs if run.state is State.FINISHED]
    return [Contender(run) for run in (finished if len(finished) > 1 else runs)[:2]]


def _read(word: str, known: dict[str, Run]) -> Contender | None:
    """`a` or `a@3000`; a step that was not kept means the one kept before it."""
    parts = re.fullmatch(r"([0-9a-f]{12})(?:@([0-9]{1,9}))?", word, re.ASCII)
    if not parts or parts[1] not in known:
        return None
    run = known[parts[1]]
    if parts[2] is None:
        return Contender(run)
    steps = [step for step in client.folder(run.id).logit_steps() if step <= int(parts[2])]
    return Contender(run, steps[-1]) if steps else Contender(run)


def put(contenders: Sequence[Contender]) -> None:
    """Into the address."""
    address.put(runs=",".join(contender.entry for contender in contenders))


def picker(runs: Sequence[Run], most: int = len(RUNS)) -> list[Contender]:
    """The list to choose from, and what is chosen, with names and colours."""
    current = from_address(runs, most)
    moments = {contender.entry: contender for contender in current}
    options = moments | {run.id: Contender(run) for run in runs}
    controls.several(
        f"Runs, at most {most}",
        "runs",
        sorted(options, key=lambda entry: (-options[entry].run.sequence, -options[entry].at)),
        list(moments),
        most=most,
        words={entry: contender.label for entry, contender in options.items()},
        placeholder="Choose runs",
    )
    return _named(current)


def _named(contenders: Sequence[Contender]) -> list[Contender]:
    """Each with a name that no other has, and no other column of the table."""
    titles = ["Class", *(c.run.title if c.step is None else f"{c.run.title}, {c.moment}" for c in contenders)]
    names = [
        word if titles.count(word) == 1 else f"{word} ({contender.run.sequence})"
        for word, contender in zip(titles[1:], contenders, strict=True)
    ]
    return [replace(c, name=name, colour=RUNS[i]) for i, (c, name) in enumerate(zip(contenders, names, strict=True))]


def earlier(contender: Contender) -> Contender | None:
    """The same run half-way to this moment; None where no such moment was kept."""
    steps = [step for step in client.folder(contender.run.id).logit_steps() if step < contender.at]
    return Contender(contender.run, min(steps, key=lambda step: abs(step - contender.at / 2))) if steps else None

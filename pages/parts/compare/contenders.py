"""What the Compare page compares: runs, or moments of runs, as `?runs=a,b@3000` names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.record import Moment, Run, State
from fmnist_core.views.colours import RUNS
from pages.parts import address, controls
from pages.parts.runs.run_picker import title
from pages.parts.text import epochs


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
        return title(self.run) if self.step is None else f"{self.run.title} · {self.when}"

    @property
    def moment(self) -> Moment:
        """The run at that step."""
        return Moment(self.run.id, self.at)

    @property
    def when(self) -> str:
        """The step in epochs, in words."""
        return "before training" if self.at == 0 else f"after {epochs(self.at / self.run.config.steps_per_epoch)}"


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
    titles = ["Class", *(c.run.title if c.step is None else f"{c.run.title}, {c.when}" for c in contenders)]
    names = [
        word if titles.count(word) == 1 else f"{word} ({contender.run.sequence})"
        for word, contender in zip(titles[1:], contenders, strict=True)
    ]
    return [replace(c, name=name, colour=RUNS[i]) for i, (c, name) in enumerate(zip(contenders, names, strict=True))]


def earlier(contender: Contender) -> Contender | None:
    """The same run half-way to this moment; None where no such moment was kept."""
    steps = [step for step in client.folder(contender.run.id).logit_steps() if step < contender.at]
    return Contender(contender.run, min(steps, key=lambda step: abs(step - contender.at / 2))) if steps else None

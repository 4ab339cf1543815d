"""All runs in one list, with what others have reached, and how much choosing the best one flatters it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.evaluation.references import BASELINES, CHANCE, PAPER, PUBLISHED, TABLE, TUTORIAL, Reference
from fmnist_core.evaluation.score import Score
from fmnist_core.evaluation.spread import expected_best
from fmnist_core.runs.files.record import Run, State
from fmnist_core.studies import scores
from fmnist_core.studies.scores import Mask
from pages.parts import address, controls, frame
from pages.parts.compare.contenders import Contender
from pages.parts.compare.side_by_side import run_words
from pages.parts.components.ranking import Column, Row, ranking
from pages.parts.runs.run_list import duration, state_words
from pages.parts.text import number

COLUMNS = (
    Column("Network", "name", "Sort by name"),
    Column("Test accuracy", "test", "Share of the test pictures that are right", number=True),
    Column("95 % interval", "", "Wilson's, for the test accuracy", number=True),
    Column("Validation accuracy", "validation", "Share of the held-out training pictures that are right", number=True),
    Column("Epochs", "epochs", "Passes over the training pictures", number=True),
    Column("Training time", "time", "Without pauses and measurements", number=True),
    Column("Settings, preprocessing", "", wide=True),
    Column("Source"),
)
SORTS = ("test", "validation", "name", "epochs", "time")


@dataclass(frozen=True)
class Entry:
    """A line before it is text."""

    run: Run | None
    reference: Reference | None
    score: Score | None = None
    """On the test pictures that count."""

    @property
    def accuracy(self) -> float:
        """On test pictures; -1 where it is not known."""
        if self.reference:
            return self.reference.accuracy
        return self.score.accuracy if self.score else -1.0

    @property
    def validation(self) -> float:
        """On held-out training pictures; -1 where none were held out."""
        latest = self.run.latest if self.run else None
        return latest.validation.accuracy if latest and latest.validation else -1.0


def leaderboard(runs: Sequence[Run], mask: Mask) -> None:
    """The list, sorted by the column in `?sort=`."""
    own = [Entry(run, None, scores.score(run, at, mask) if (at := Contender(run).at) else None) for run in runs]
    with st.container(horizontal=True, vertical_alignment="center"):
        others = controls.switch("What others reached", "references")
    _flattery(own)
    entries = own + [Entry(None, some) for some in (CHANCE, TUTORIAL, *PUBLISHED, *BASELINES) if others]
    sort = address.word("sort", SORTS)
    up = address.flag("up")
    keys: dict[str, Callable[[Entry], float | str]] = {
        "test": lambda entry: entry.accuracy,
        "validation": lambda entry: entry.validation,
        "name": lambda entry: (
            entry.run.title if entry.run else entry.reference.name if entry.reference else ""
        ).lower(),
        "epochs": lambda entry: entry.run.latest.epoch if entry.run and entry.run.latest else -1.0,
        "time": lambda entry: entry.run.seconds if entry.run else -1.0,
    }
    entries.sort(key=keys[sort], reverse=not up)
    chosen = ranking(
        COLUMNS, [_row(entry) for entry in entries], sorted_by=sort, descending=not up, label="Leaderboard", key="board"
    )
    if chosen:
        again = chosen == sort
        address.put(sort=None if chosen == "test" else chosen, up=True if again and not up else None)
        st.rerun()
    st.caption(
        "Shaded: runs that were trained here; a name leads to the run's Test page. The others: what people submitted to the data set's "
        f"[benchmark table]({TABLE}), on all 10,000 test pictures, which its authors have not tested, and baselines of its "
        f"[paper]({PAPER}). "
        "Runs hold out validation pictures only where their settings say so; test and validation accuracy are of "
        "different pictures, so compare each with its own column."
    )


def _row(entry: Entry) -> Row:
    if entry.reference:
        some = entry.reference
        return Row(
            (some.name, frame.percent(some.accuracy, 1), "", "", "", "", some.preprocessing, some.submitter),
            link=some.source,
        )
    run = entry.run
    assert run is not None
    epochs = run.latest.epoch if run.latest else 0
    low, high = wilson(sum(entry.score.correct), sum(entry.score.total)) if entry.score else (0.0, 0.0)
    return Row(
        (
            run.title,
            frame.percent(entry.accuracy) if entry.score else "",
            f"{100 * low:.1f} to {frame.percent(high, 1)}" if entry.score else "",
            frame.percent(entry.validation) if entry.validation >= 0 else "",
            number(round(epochs, 2)),
            duration(run.seconds),
            run_words(run),
            f"run {run.sequence}",
        ),
        link=address.link("test", {"run": run.id}),
        note="" if run.state is State.FINISHED else state_words(run),
        is_shaded=True,
    )


def _flattery(own: Sequence[Entry]) -> None:
    """The warning that the best of several test accuracies is too good, with by how much."""
    known = [entry for entry in own if entry.score and entry.run and entry.run.state is State.FINISHED]
    if len(known) < 2:
        return
    best = max(known, key=lambda entry: entry.accuracy)
    assert best.run is not None
    assert best.score is not None
    error = 100 * math.sqrt(best.accuracy * (1 - best.accuracy) / sum(best.score.total))
    excess = expected_best(len(known)) * error
    st.warning(
        f"**The best of {len(known)} finished runs by test accuracy looks better than it is.** A test accuracy near "
        f"{frame.percent(best.accuracy, 1)} has a standard error of {error:.2f} points. If all {len(known)} networks were "
        f"equally good and tested on pictures of their own, the best of them would still stand {excess:.1f} points above "
        "their average. Here all are tested on the same pictures, so it is less; by how much cannot be told from here.",
        icon=":material/balance:",
    )
    held_out = _same_held_out(known)
    if len(held_out) > 1:
        honest = max(held_out, key=lambda entry: entry.validation)
        assert honest.run is not None
        st.markdown(
            f"Of the {len(held_out)} runs that hold out the same images, validation accuracy chooses "
            f"**{frame.plain(honest.run.title)}**: {frame.percent(honest.validation)} validation, "
            f"**{frame.percent(honest.accuracy)} test**. The test pictures had no part in that choice, so this test accuracy is "
            "not flattered by it."
        )
    else:
        st.markdown(
            "To choose without the test pictures, train several runs that hold out the same images (**Images held out** on the "
            "Train page), and choose by validation accuracy here."
        )


def _same_held_out(known: Sequence[Entry]) -> list[Entry]:
    """The runs that share their held-out images with the most others: only those can be ranked by them."""
    alike: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for entry in known:
        if entry.run and entry.validation >= 0:
            alike[entry.run.config.validation, entry.run.config.fold].append(entry)
    return max(alike.values(), key=len, default=[])

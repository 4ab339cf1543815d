"""The same settings with several seeds: how much is chance, and how many seeds would show a difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from html import escape

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.evaluation.score import Score
from fmnist_core.evaluation.spread import Spread, pooled_deviation, seeds_needed, t_test
from fmnist_core.runs.files.record import Run, State
from fmnist_core.studies import scores
from fmnist_core.studies.scores import Mask
from fmnist_core.studies.seeds import SeedGroup, by_seed, train_more_seeds
from fmnist_core.training.events import Measured
from fmnist_core.views.bands import Band, bands, class_means
from fmnist_core.views.colours import RUNS
from pages.parts import address, controls, frame, starting
from pages.parts.compare.contenders import Contender
from pages.parts.compare.difference import often
from pages.parts.compare.side_by_side import PLOT, settings_words
from pages.parts.person import person

MORE = 4
MOST = 3


def seeds(runs: Sequence[Run], mask: Mask) -> None:
    """One to three settings, each over all its seeds."""
    found = by_seed(runs)
    if not found:
        st.info("No run has finished yet: the spread over seeds is counted from finished runs.")
        return
    chosen = _choose(found)
    if left_out := sum(run.state is State.FINISHED and not run.is_replicate for run in runs):
        which = "1 finished run that was" if left_out == 1 else f"{left_out} finished runs that were"
        st.caption(
            f"Left out: {which} steered or branched off, because their settings alone do not explain the result."
        )
    if not chosen:
        return
    names = [group.title for group in chosen]
    names = [
        name if names.count(name) == 1 else f"{name} ({group.runs[0].sequence})"
        for name, group in zip(names, chosen, strict=True)
    ]
    accuracies = [_last(group, mask) for group in chosen]
    spreads = [Spread.of([100 * score.accuracy for score in scores]) if scores else None for scores in accuracies]
    _table(chosen, names, spreads)
    _more(chosen)
    if len(chosen) > 1 and spreads[0] and spreads[1]:
        _verdict(names, spreads[0], spreads[1])
    _curves(chosen, names, mask)
    _classes(names, accuracies)


def _choose(found: Sequence[SeedGroup]) -> list[SeedGroup]:
    """The settings in `?settings=`, by the id of a run that has them; else the two with the most seeds."""
    by_run = {run.id: group for group in found for run in group.runs}
    words = address.items("settings")
    named = list(dict.fromkeys(by_run[word].id for word in words if word in by_run))[:MOST]
    if len(named) < len(words):
        st.warning("The address names settings that are not here: they are left out.", icon=":material/link_off:")
    ids = {group.id: group for group in found}
    current = named or ([] if address.has("settings") else [group.id for group in found[:2]])
    controls.several(
        f"Settings, at most {MOST}",
        "settings",
        list(ids),
        current,
        most=MOST,
        words={key: f"{group.title} · {_seeds(len(group.runs))}" for key, group in ids.items()},
        placeholder="Choose settings",
        help="Runs that differ in nothing but the seed are one line here.",
    )
    return [ids[key] for key in current]


def _seeds(count: int) -> str:
    return "1 seed" if count == 1 else f"{count} seeds"


def _last(group: SeedGroup, mask: Mask) -> list[Score]:
    found = [scores.score(run, Contender(run).at, mask) for run in group.runs]
    return [score for score in found if score]


def _table(chosen: Sequence[SeedGroup], names: Sequence[str], spreads: Sequence[Spread | None]) -> None:
    lines = ""
    for group, name, colour, spread in zip(chosen, names, RUNS, spreads, strict=False):
        figures = [_seeds(len(group.runs)).replace(" ", "\N{NO-BREAK SPACE}"), "", "", ""]
        if spread:
            low, high = spread.interval
            figures[1] = frame.percent(spread.mean / 100)
            figures[2] = "" if math.isnan(spread.deviation) else f"{spread.deviation:.2f}"
            figures[3] = "" if math.isnan(low) else f"{max(low, 0):.2f} to {frame.percent(min(high, 100) / 100)}"
        cells = "".join(f"<td>{figure}</td>" for figure in figures)
        lines += (
            f'<tr><th><span style="color:{colour}" aria-hidden="true">■</span> {escape(name)}'
            f"<small>{escape(settings_words(group.config))}</small></th>{cells}</tr>"
        )
    st.html(
        '<div class="scroll"><table class="figures"><thead><tr><th>Settings</th><th></th><th>Mean test accuracy'
        f"</th><th>Std. dev.</th><th>95 % interval of the mean</th></tr></thead><tbody>{lines}</tbody></table></div>"
    )
    st.caption(
        "Standard deviation: how far a single run typically lies from the mean, in percentage points, only because its "
        "seed is another one. The interval (Student's t) is of the mean over very many seeds on these test pictures; it does "
        "not say how other pictures would turn out."
    )


def _more(chosen: Sequence[SeedGroup]) -> None:
    with st.container(horizontal=True):
        for group in chosen:
            waiting = f" ({group.waiting} on their way)" if group.waiting else ""
            starting.button(
                f"Train {MORE} more seeds of {frame.plain(group.title)}{waiting}",
                f"more_{group.id}",
                partial(train_more_seeds, group, MORE, person()),
                lambda started: st.toast(f"{len(started)} runs wait in the queue.", icon=":material/check:"),
                icon=":material/add:",
                help="Ordinary runs: they wait in the queue, and can be stopped on the Train page.",
            )


def _verdict(names: Sequence[str], first: Spread, second: Spread) -> None:
    """The first two settings: is the difference of the means more than chance, and what would it take?"""
    st.subheader("Is one better than the other?", anchor=False)
    a, b = (f"**{frame.plain(name)}**" for name in names[:2])
    gap = first.mean - second.mean
    words = f"{a} is {abs(gap):.2f} percentage points {'better' if gap >= 0 else 'worse'} than {b} on average. "
    if first.n < 2 or second.n < 2:
        st.markdown(
            words + "With a single seed of one of them, nobody can say whether that is the seed or the setting."
        )
        return
    p = t_test(first, second)
    words += (
        f"Two settings with the same mean would differ at least this much in {often(p)} cases (Welch's t test): "
        + ("this is more than chance. " if p < 0.05 else "this could well be chance. ")
    )
    needed = seeds_needed(gap, pooled_deviation(first, second))
    words += (
        "So small a difference would take more than 10,000 seeds of each to be shown."
        if needed is None
        else f"To find a difference of this size in four experiments of five takes **{_seeds(needed)} of each**; "
        f"here are {first.n} and {second.n}."
    )
    st.markdown(words)
    st.caption(
        "Seeds needed: two-sample t test, 80 % power, 5 % level, with the standard deviation seen here, which is itself "
        "uncertain for few seeds. It is about the average over seeds, not about a single pair of runs."
    )


# --- Curves and classes --------------------------------------------------------------------------------------------


def _bands(
    chosen: Sequence[SeedGroup],
    names: Sequence[str],
    mask: Mask,
    value: Callable[[Measured], float],
    dash: str = "solid",
    suffix: str = "",
) -> list[Band]:
    found = []
    for group, name, colour in zip(chosen, names, RUNS, strict=False):
        rows = [{m.step: (m.epoch, value(m)) for m in scores.measured(run, mask)} for run in group.runs]
        steps = sorted(set.intersection(*(set(row) for row in rows)))
        if steps:
            values = np.array([[row[step][1] for step in steps] for row in rows])
            found.append(Band(name + suffix, colour, [rows[0][step][0] for step in steps], values, dash))
    return found


def _curves(chosen: Sequence[SeedGroup], names: Sequence[str], mask: Mask) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("Loss", anchor=False)
        test = _bands(chosen, names, mask, lambda m: m.test.loss, suffix=", test")
        train = _bands(chosen, names, None, lambda m: m.train.loss, "dot", ", training")
        st.plotly_chart(bands([*test, *train], axis="Loss (nats per image)", digits=4), config=PLOT, key="band_losses")
        st.caption(
            "After each epoch, in evaluation mode: the mean over the seeds, one standard deviation to either side, and "
            "each seed as a thin line. Dotted: the first 10,000 training images."
        )
    with right:
        st.subheader("Test accuracy", anchor=False)
        shown = _bands(chosen, names, mask, lambda m: 100 * m.test.accuracy)
        st.plotly_chart(bands(shown, axis="Test accuracy (%)", digits=2), config=PLOT, key="band_accuracies")
        st.caption("Where bands overlap, a single run of one setting often beats a single run of the other.")


def _classes(names: Sequence[str], accuracies: Sequence[Sequence[Score]]) -> None:
    st.subheader("Accuracy of each class", anchor=False)

    def shares(scores: Sequence[Score]) -> npt.NDArray[np.float64]:
        return np.array([[100 * c / t for c, t in zip(s.correct, s.total, strict=True)] for s in scores])

    shown = [(name, colour, shares(s)) for name, colour, s in zip(names, RUNS, accuracies, strict=False) if s]
    st.plotly_chart(class_means(shown), config={"displayModeBar": False}, key="band_classes")
    st.caption("Points: the mean over the seeds. Lines: one standard deviation between seeds to either side.")

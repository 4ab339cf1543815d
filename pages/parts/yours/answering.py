"""Which networks answer on the page Yours, and how an answer is shown: never without saying whether it can be one."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened_steps
from fmnist_core.runs.files.record import Run
from fmnist_core.studies.answers import Answers, Respondent, respondent
from fmnist_core.views.colours import CLASS_COLOURS
from pages.parts import address, frame
from pages.parts.runs.run_picker import title

STYLE = """<style>
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: 1rem 2rem; }
.answers h4 { margin: 0; padding: 0 0 .2rem; font-size: .95rem; overflow-wrap: anywhere; }
.answers .says { font-size: 1.3rem; font-weight: 600; margin: 0 0 .4rem; }
.answers .says small { font-size: .85rem; font-weight: 400; }
.answers .row { display: grid; grid-template-columns: 6.2rem 1fr 3.6rem; gap: .5rem; align-items: center; font-size: .92rem; line-height: 1.5; }
.answers .row.top { font-weight: 600; }
.answers .bar { height: .75rem; border-radius: 3px; background: rgba(128,132,150,.18); overflow: hidden; }
.answers .bar i { display: block; height: 100%; }
.answers .value { text-align: right; font-variant-numeric: tabular-nums; }
.answers .flag { margin: .6rem 0 0; padding: .5rem .75rem; border-radius: .6rem; background: rgba(128,132,150,.14); font-size: .92rem; }
.answers .flag.stranger { background: rgba(238,119,51,.22); }
.answers .flag b { display: block; }
</style>"""


@dataclass(frozen=True, eq=False)
class Judge:
    """A run's network at one moment."""

    run: Run
    step: int
    respondent: Respondent

    @property
    def name(self) -> str:
        """Plain text, to be told apart by."""
        return f"{self.run.title}, after {self.step:,} steps"


def second_run(run: Run) -> Run | None:
    """A list of the other runs, at the one that `?second=` names; None for none."""
    others = [one for one in client.list_runs() if one.latest and not one.is_sealed and one.id != run.id]
    if not others:
        return None
    named = address.text("second")
    if named and named not in {one.id for one in others}:
        st.warning("The address names a second run that is not here: it is left out.", icon=":material/link_off:")
        named = ""
    names = {"": "None", **{one.id: title(one) for one in others}}
    st.selectbox(
        "Beside it",
        list(names),
        format_func=names.get,
        width=230,
        help="A second network that answers the same question, such as one that was trained with moved pictures.",
        **address.bound("second", named),
    )
    return next((one for one in others if one.id == named), None)


def answering(run: Run, step: int, beside: Run | None) -> list[Judge]:
    """The network of the page, then the newest of the second run; a sentence and none where the first has no weights."""
    first = _judge(run, step)
    if first is None:
        return []
    second = _judge(beside, beside.latest.step) if beside and beside.latest else None
    judges = [first, second] if second else [first]
    if not all(judge.respondent.looks_inside for judge in judges):
        st.caption(
            "Whether a picture is unlike the training pictures is told by its nine figures alone: the last hidden layer of "
            "this network has not been looked through yet. Mistakes, on the page Test, does that."
        )
    return judges


def _judge(run: Run, wanted: int) -> Judge | None:
    folder = client.folder(run.id)
    steps = opened_steps(folder)
    step = max((known for known in steps if known <= wanted), default=steps[0] if steps else None)
    if step is None:
        st.warning(
            f"No weights of **{frame.plain(run.title)}** were kept, so it cannot be asked. Runs keep them unless the server was "
            "told not to (`FMNIST_SNAPSHOTS=0`).",
            icon=":material/folder_off:",
        )
        return None
    try:
        return Judge(run, step, respondent(folder, step))
    except (OSError, ValueError) as error:
        st.warning(
            f"The weights of **{frame.plain(run.title)}** after step {step:,} cannot be used: {frame.plain(str(error))}. Choose "
            "another moment, or another run.",
            icon=":material/folder_off:",
        )
        return None


def answers_html(judges: Sequence[Judge], picture: npt.NDArray[np.uint8]) -> None:
    """What each network says of the picture (28, 28) uint8: flag, class, ten probabilities."""
    found = [(judge, judge.respondent.answer(picture[None])) for judge in judges]
    st.html(STYLE + f'<div class="answers">{"".join(_answer(judge, one) for judge, one in found)}</div>')


def said(answers: Answers, at: int = 0) -> str:
    """One answer in a few words: never a class of a stranger without a question mark."""
    best = int(answers.classes[at])
    if answers.strangeness.is_stranger[at]:
        return f"{CLASSES[best]}? Unlike its training pictures"
    return f"{CLASSES[best]}, {frame.percent(answers.probabilities[at, best], 0)}"


def _answer(judge: Judge, answers: Answers) -> str:
    shares, strange = answers.probabilities[0], answers.strangeness
    best, is_stranger = int(shares.argmax()), bool(strange.is_stranger[0])
    rows = "".join(
        f'<div class="row{" top" if k == best else ""}"><span>{name}</span><span class="bar">'
        f'<i style="width:{100 * shares[k]:.2f}%;background:{CLASS_COLOURS[k]}"></i></span>'
        f'<span class="value">{frame.percent(shares[k], 1)}</span></div>'
        for k, name in enumerate(CLASSES)
    )
    less = f"{min(99.9, 100 * strange.rank[0]):.3g} % of training pictures are less strange."
    flag = "Unlike anything it was trained on." if is_stranger else "It looks like what it was trained on."
    reason = f" {html.escape(strange.reasons[0])}" if is_stranger else ""
    small = "if it had to choose" if is_stranger else frame.percent(shares[best], 1)
    return (
        f'<div><h4>{html.escape(judge.name)}</h4><p class="says">{CLASSES[best]}{"?" if is_stranger else ""} '
        f'<small>{small}</small></p>{rows}<p class="flag{" stranger" if is_stranger else ""}"><b>{flag}</b>{less}{reason}</p></div>'
    )

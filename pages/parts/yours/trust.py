"""How far the flag can be trusted: measured for the network of the page, kind by kind."""

from __future__ import annotations

from functools import lru_cache

import streamlit as st

from fmnist_core.evaluation.strangers import FALSE_ALARMS
from fmnist_core.studies.flag import USUAL, Quality, quality
from fmnist_core.views.roc import roc_curves
from pages.parts import controls, frame
from pages.parts.yours.answering import Judge


def draw(judge: Judge) -> None:
    """A switch, and behind it the table and the curves."""
    if not controls.switch("How far can the flag be trusted?", "trust"):
        return
    found = _quality(judge)
    st.subheader("How far the flag can be trusted", anchor=False)
    st.markdown(
        f"Measured for **{frame.plain(judge.name)}** with 150 pictures of each kind against {USUAL:,} test pictures, of which "
        f"it flags {frame.percent(found.false_alarms, 1)} by mistake. Mean area under the ROC curve: "
        f"**{found.mean(held_out=True):.3f}** over the kinds that played no part in choosing what the flag looks at, "
        f"{found.mean(held_out=False):.3f} over those that did. 0.5 is blind, 1 perfect."
    )
    table, chart = st.columns([3, 2], gap="large")
    with table:
        st.dataframe(
            {
                "Kind": [kind.kind for kind in found.kinds],
                "Flagged": [round(100 * kind.share) for kind in found.kinds],
                "AUROC": [kind.auroc for kind in found.kinds],
                "figures alone": [kind.by_picture for kind in found.kinds],
                "hidden layer alone": [kind.by_network for kind in found.kinds],
                "softmax alone": [kind.by_softmax for kind in found.kinds],
                "held out": [kind.held_out for kind in found.kinds],
            },
            column_config={
                "Flagged": st.column_config.ProgressColumn(format="%d %%", min_value=0, max_value=100),
                **{
                    name: st.column_config.NumberColumn(format="%.3f")
                    for name in ("AUROC", "figures alone", "hidden layer alone", "softmax alone")
                },
            },
            hide_index=True,
            height=420,
        )
    with chart:
        shown = {kind.kind: found.curve(kind) for kind in found.kinds if kind.held_out}
        st.plotly_chart(roc_curves(shown, at=FALSE_ALARMS), config={"displayModeBar": False}, key="roc")
    weak = [f"{kind.kind} ({100 * kind.share:.0f} %)" for kind in sorted(found.kinds, key=lambda kind: kind.share)[:4]]
    st.caption(
        f"It is weakest where a picture still looks like a garment: {', '.join(weak)} are flagged. It measures likeness, "
        "not correctness: a picture may be flagged and recognised, or look familiar and be mistaken. Photographs of other things, "
        "taken to 28 x 28 as on this page, were flagged in 76 to 81 of 100 cases where that was measured (docs/strangers.md)."
    )


def _quality(judge: Judge) -> Quality:
    return _measured(judge.run.id, judge.step, judge.respondent)


@lru_cache(maxsize=8)
def _measured(_run: str, _step: int, respondent: object) -> Quality:
    return quality(respondent)  # type: ignore[arg-type]

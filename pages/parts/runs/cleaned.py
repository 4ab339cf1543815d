"""The switch "Cleaned test set", `?cleaned=true`, which every figure of a page obeys."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data import duplicates
from fmnist_core.runs import client
from fmnist_core.studies import judgements
from pages.parts import controls


def cleaned_switch() -> npt.NDArray[np.bool_] | None:
    """Draw the switch and say what it leaves out; (10,000,) bool, True for pictures that stay, or None where all do."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        wanted = controls.switch(
            "Cleaned test set",
            "cleaned",
            width="content",
            help="Leaves out the test pictures of which training has seen a copy, second copies within the test set, and "
            "pictures whose label was judged to be wrong on the Data page. Every figure on this page is then counted on the "
            "rest.",
        )
        if not wanted:
            return None
        pairs = duplicates.near_duplicates()
        leaked, repeated = duplicates.leaked(pairs), duplicates.repeated(pairs)
        verdicts = judgements.read(client.runs_folder())
        wrong = {p.index for p, said in verdicts.items() if p.split == "test" and said == "wrong"} - leaked - repeated
        mask = duplicates.clean_mask(leaked | repeated | wrong)
        reasons = (
            (len(leaked), "with a copy in the training set"),
            (len(repeated), "with another copy in the test set"),
            (len(wrong), "with a label judged to be wrong"),
        )
        why = ", ".join(f"{count} {reason}" for count, reason in reasons if count)
        st.caption(f"{mask.sum():,} of {len(mask):,} pictures. Left out: {why}.", width="content")
    return mask

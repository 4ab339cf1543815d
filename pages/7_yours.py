"""Pictures that are not of the data set: drawn, photographed, brought; how they become 28 x 28, and what a network says."""

from __future__ import annotations

import streamlit as st

from fmnist_core.data.brought import files, stages, way
from fmnist_core.evaluation import strangers
from pages.parts import controls, frame
from pages.parts.runs.moment import moment
from pages.parts.runs.run_picker import run_picker
from pages.parts.yours import collection, deeper, draw, photo, trust
from pages.parts.yours.answering import answering, second_run

WORDS = {"draw": "Draw", "photo": "Photo or file", "collection": "Collection"}
VIEWS = {"draw": draw.draw, "photo": photo.draw, "collection": collection.draw}


def main() -> None:
    """The page: which networks answer is decided here; each view brings a picture and shows what they say."""
    frame.page(
        "Yours",
        "Draw a garment or bring a photo of one, and see what your network makes of it. It only knows its ten classes, "
        "so it has to be asked first whether the picture looks like anything it was trained on.",
        code=(files.decode, stages, way.prepare, strangers.Familiar),
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="asked"):
        view = controls.one_of("Picture", "view", words=WORDS, label_visibility="collapsed")
        run = run_picker()
        if run is None:
            return
        beside = second_run(run)
    picture_here, time_here, more_here = st.container(), st.container(), st.container()
    with time_here:
        step = moment(run)
    frame.data_or_stop("train")
    with picture_here:
        judges = answering(run, step, beside)
        if not judges:
            return
        picture = VIEWS[view](judges)
    with more_here:
        if picture is not None:
            deeper.draw(judges, picture)
        trust.draw(judges[0])
    st.caption(
        ":material/lock: Pictures stay on the machine that runs this app, and nothing is kept unless you say so under "
        "“Keep in the collection”.",
    )


main()

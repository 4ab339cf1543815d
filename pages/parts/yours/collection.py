"""A person's own collection: to label, to delete, and to test a run on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.runs import client
from fmnist_core.studies import collection
from fmnist_core.studies.collection import CollectionFull, Kept
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.person import me, remember
from pages.parts.yours.answering import Judge, answers_html, said

NOBODY = ("", "nobody")
"""Who has not said who they are keeps nothing."""


def keep_button(picture: npt.NDArray[np.uint8], name: str, label: int | None = None) -> None:
    """Keep the picture (28, 28) uint8: the only way by which anything of it reaches the disk."""
    with st.popover("Keep in the collection", icon=":material/bookmark_add:"):
        st.caption(
            "Its 28 x 28 pixels, the name and the class are kept on this machine, beside the runs, until you delete them."
        )
        called = st.text_input("Name", name.strip("“”"), max_chars=60, key="keep_name")
        options = [None, *range(len(CLASSES))]
        chosen = st.selectbox(
            "What is it?",
            options,
            options.index(label),
            format_func=lambda k: "I leave that open" if k is None else CLASSES[k],
            key="keep_label",
        )
        if st.button("Keep", type="primary", key="keep", disabled=not picture.any() or me().id in NOBODY):
            try:
                kept = collection.keep(client.runs_folder(), me().id, called, picture, chosen)
            except CollectionFull as error:
                st.warning(str(error))
            except OSError as error:
                st.error(f"It cannot be kept ({frame.plain(error.strerror or str(error))}).")
            else:
                st.success(f"Kept as {frame.plain(kept.name)}.")
    remember()


def draw(judges: Sequence[Judge]) -> npt.NDArray[np.uint8] | None:
    """The view; the picture that is marked (28, 28) uint8."""
    remember()
    kept = collection.collection(client.runs_folder(), me().id)
    if not kept:
        st.info(
            "Your collection is empty. Below a drawing or a photo, “Keep in the collection” puts its 28 x 28 pixels here; "
            "then any run can be tested on them.",
            icon=":material/bookmark:",
        )
        return None
    _table(judges, kept)
    answers = judges[0].respondent.answer(np.stack([one.picture for one in kept]))
    right = [one.label == int(best) for one, best in zip(kept, answers.classes, strict=True)]
    ids = [one.id for one in kept]
    wanted = address.text("mine")
    marked = ids.index(wanted) if wanted in ids else None
    if wanted and marked is None:
        st.warning("The address names a picture that is not in your collection.", icon=":material/link_off:")
    image_grid(
        np.stack([one.picture for one in kept]),
        captions=[said(answers, n).split(",")[0].split("?")[0] for n in range(len(kept))],
        hovers=[f"{one.name}: {said(answers, n)}" for n, one in enumerate(kept)],
        colours=[None if one.label is None else RIGHT if ok else WRONG for one, ok in zip(kept, right, strict=True)],
        links=[address.here(mine=one.id) for one in kept],
        marked=marked,
        alt="Your collection",
        key="collection",
    )
    st.caption(
        f"Under each picture what **{frame.plain(judges[0].name)}** says: green where that is its label, red where not."
    )
    if marked is None:
        return None
    _one(judges, kept[marked])
    return kept[marked].picture


def _table(judges: Sequence[Judge], kept: Sequence[Kept]) -> None:
    """Accuracy of each network on the labelled pictures, with its interval; on Test the same network on 10,000."""
    labelled = [one for one in kept if one.label is not None]
    if not labelled:
        st.caption("Label some of your pictures, and any run can be tested on them.")
        return
    labels = np.array([one.label for one in labelled])
    pictures = np.stack([one.picture for one in labelled])
    rows = []
    for judge in judges:
        answers = judge.respondent.answer(pictures)
        count = int((answers.classes == labels).sum())
        low, high = wilson(count, len(labels))
        score = judge.run.latest.test if judge.run.latest else None
        rows.append(
            {
                "Run": judge.name,
                "Right on yours": f"{count} of {len(labels)}",
                "Accuracy": frame.percent(count / len(labels), 0),
                "95 % interval": f"{100 * low:.0f} to {frame.percent(high, 0)}",
                "Flagged as unlike its training": int(answers.strangeness.is_stranger.sum()),
                "On the 10,000 test pictures": frame.percent(score.accuracy, 1) if score else "–",
            }
        )
    st.dataframe(rows, hide_index=True)
    st.caption(
        f"{len(labels)} pictures are few: the interval is what they can tell (Wilson). The last column is the newest measurement "
        "of the run."
    )


def _one(judges: Sequence[Judge], kept: Kept) -> None:
    st.subheader(frame.plain(kept.name), anchor=False)
    options = [None, *range(len(CLASSES))]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = f"label_{kept.id}_{kept.label}"
        st.selectbox(
            "What is it?",
            options,
            options.index(kept.label),
            format_func=lambda k: "Left open" if k is None else CLASSES[k],
            key=key,
            on_change=_relabel,
            args=(kept.id, key),
            width=240,
        )
        st.button(
            "Put it on the drawing pad",
            icon=":material/draw:",
            key="mine_to_pad",
            on_click=_to_pad,
            args=(kept.picture,),
        )
        st.button("Delete", icon=":material/delete:", key=f"delete_{kept.id}", on_click=_delete, args=(kept.id,))
    answers_html(judges, kept.picture)


def _relabel(id: str, key: str) -> None:
    collection.relabel(client.runs_folder(), me().id, id, st.session_state[key])


def _delete(id: str) -> None:
    collection.delete(client.runs_folder(), me().id, id)
    address.put(mine=None)


def _to_pad(picture: npt.NDArray[np.uint8]) -> None:
    from pages.parts.yours.draw import put

    put(picture)
    address.put(view=None)

"""The mistakes, the worst first: what the network thought, and the training images that look most like it."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.neighbours import nearest
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.service import features
from fmnist_core.studies.subject import Subject
from fmnist_core.views.colours import REFERENCE, RIGHT, WRONG
from pages.parts import address, controls, frame
from pages.parts.components.picture_rows import Bar, Picture, Row, Strip, picture_rows
from pages.parts.runs.gallery import image_link
from pages.parts.test.confusion import cell_in_address
from pages.parts.text import decimal

Sort = Literal["confidence", "margin", "loss"]
AT_ONCE = 6
NEIGHBOURS = 5
WORDS: dict[Sort, str] = {"confidence": "Confidence", "margin": "Margin", "loss": "Loss"}
MEANING: dict[Sort, str] = {
    "confidence": "Confidence: the probability that the network gives to its wrong answer.",
    "margin": "Margin: how far the probability of the wrong answer is above that of the true class.",
    "loss": "Loss: −ln of the probability of the true class, in nats. A few such pictures can make up much of the mean loss.",
}
WITHOUT_LAYER: dict[features.State, str] = {
    "computing": "What is nearest in the last hidden layer will follow: that layer is being computed for all 70,000 pictures.",
    "no hidden layer": "This network has no hidden layer: its last step sees the pixels themselves.",
    "unknown weights": "The weights of this moment were not kept, so its hidden layer cannot be asked what is nearest.",
    "too wide": f"The last hidden layer has more than {features.MOST_UNITS} units: too many to search for what is nearest.",
    "failed": "The last hidden layer could not be computed, so what is nearest in it is not shown.",
}
"""Why only what is nearest in pixels is shown."""


def draw(subject: Subject) -> None:
    """The view."""
    result = subject.after
    true, predicted = cell_in_address()
    st.subheader("Mistakes, the worst first", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sort = controls.one_of("Sorted by", "sort", get_args(Sort), words=WORDS, then=lambda: address.put(page=None))
        for label, name in (("True class", "true"), ("Predicted class", "predicted")):
            controls.class_choice(label, name, then=lambda: address.put(page=None), width=170)
    found = ranked_mistakes(result, sort, true, predicted)
    if not len(found):
        st.info("There is no such mistake.", icon=":material/check_circle:")
        return
    pages = -(-len(found) // AT_ONCE)
    mistakes = "mistake" if len(found) == 1 else "mistakes"
    st.caption(
        f"{len(found):,} {mistakes}. {MEANING[sort]} A confident mistake is not always the network's fault: some labels are doubtful."
    )
    page = controls.page_number(pages)
    shown = found[(page - 1) * AT_ONCE : page * AT_ONCE]
    train = frame.data_or_stop("train")
    indices = result.indices[shown]
    folder = client.folder(subject.run.id)
    state = features.begin(folder, subject.step)
    in_pixels = _nearest_pixels(tuple(indices.tolist()))
    try:
        in_layer = _nearest_in_layer(folder, subject.step, tuple(indices.tolist())) if state == "ready" else None
    except FileNotFoundError:  # removed just now
        in_layer = None
    if in_layer is None and state in WITHOUT_LAYER:
        st.caption(WITHOUT_LAYER[state])
    picture_rows(
        [
            _row(subject, train, int(place), in_pixels[at], None if in_layer is None else in_layer[at])
            for at, place in enumerate(shown)
        ],
        alt="Mistakes with the nearest training images",
        key="mistakes",
    )
    st.caption(
        "Nearest: smallest Euclidean distance, between the 784 pixels, or between the values of the last hidden layer, which "
        "are all that the network's last step sees. Green: labelled as the true class; red: as the predicted one. They only "
        "look similar; the network does not look pictures up."
    )
    if state == "computing":
        st.fragment(_wait, run_every=1.0, key="features")(subject.run.id, subject.step)


def ranked_mistakes(result: Evaluation, sort: Sort, true: int | None, predicted: int | None) -> npt.NDArray[np.int64]:
    """Places in `result` of the wrong predictions between these classes (None: any), the worst first."""
    wrong = ~result.is_right
    if true is not None:
        wrong &= result.labels == true
    if predicted is not None:
        wrong &= result.predictions == predicted
    found = np.flatnonzero(wrong)
    badness = {"confidence": result.confidences, "margin": result.margins, "loss": result.losses}[sort]
    return found[np.argsort(-badness[found], kind="stable")]


def _row(
    subject: Subject,
    train: Split,
    place: int,
    in_pixels: npt.NDArray[np.int64],
    in_layer: npt.NDArray[np.int64] | None,
) -> Row:
    result = subject.after
    index, true, guess = int(result.indices[place]), int(result.labels[place]), int(result.predictions[place])
    probabilities = result.probabilities[place]
    top = np.argsort(-probabilities, kind="stable")[:3].tolist()
    if true not in top:
        top.append(true)
    colours = {true: RIGHT, guess: WRONG}

    def strip(label: str, neighbours: npt.NDArray[np.int64]) -> Strip:
        return Strip(
            label,
            [
                Picture(
                    train.images[i],
                    hover=f"Training picture {i}: {CLASSES[train.labels[i]]}",
                    link=address.link("image", {"split": "train", "index": i}),
                    caption=CLASSES[train.labels[i]],
                    colour=colours.get(int(train.labels[i]), ""),
                )
                for i in neighbours.tolist()
            ],
        )

    return Row(
        title=f"{CLASSES[true]} taken for {CLASSES[guess]}",
        note=f"Test picture {index} · loss {decimal(result.losses[place], 2)} · margin {100 * result.margins[place]:.0f}\u00a0%",
        lead=Picture(
            subject.images[index],
            hover=f"Test picture {index}: {CLASSES[true]} taken for {CLASSES[guess]}",
            link=image_link(index),
            colour=WRONG,
        ),
        bars=[
            Bar(
                CLASSES[label],
                float(probabilities[label]),
                _percent(float(probabilities[label])),
                colours.get(label, REFERENCE),
            )
            for label in top
        ],
        strips=[
            strip("Nearest training images in pixels", in_pixels),
            *([] if in_layer is None else [strip("Nearest in the last hidden layer", in_layer)]),
        ],
    )


def _percent(share: float) -> str:
    return "< 0.1 %" if share < 0.0005 else "> 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"


@st.cache_data(max_entries=200, show_spinner=False)
def _nearest_pixels(indices: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """(images, NEIGHBOURS) training images: about the data set alone, whatever the network."""
    test, train = frame.data_or_stop("test"), frame.data_or_stop("train")
    return nearest(test.images[list(indices)], train.images, NEIGHBOURS)[0]


@lru_cache(maxsize=200)
def _nearest_in_layer(folder: RunFolder, step: int, indices: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """The same by the last hidden layer of one moment of a run. Raises FileNotFoundError."""
    kept = features.read(folder, step)
    if kept is None:
        raise FileNotFoundError(f"the hidden layer after step {step:,} is not there")
    of_train = len(frame.data_or_stop("train"))
    return nearest(kept[of_train + np.array(indices)], kept[:of_train], NEIGHBOURS)[0]


def _wait(run_id: str, step: int) -> None:
    if features.begin(client.folder(run_id), step) != "computing":
        st.rerun()

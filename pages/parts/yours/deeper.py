"""What stands below every picture of the page: the nearest training pictures, and what would have to change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.brought.pixels import as_text
from fmnist_core.data.dataset import CLASSES
from fmnist_core.evaluation.neighbours import nearest
from fmnist_core.evaluation.robustness import CHANGES, Kind, family
from fmnist_core.evaluation.strangers import REFERENCE
from fmnist_core.inside.attribution import ledger, target
from fmnist_core.views.colours import CLASS_COLOURS
from fmnist_core.views.pictures import signed_picture
from fmnist_core.views.probabilities import probability_curves
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.text import decimal, number
from pages.parts.yours.answering import Judge

NEIGHBOURS = 8
WORDS: dict[Kind, str] = {
    "shift": "Moved right",
    "turn": "Turned left",
    "scale": "Scaled",
    "brightness": "Brightness",
    "thickness": "Thickness",
}


def draw(judges: Sequence[Judge], picture: npt.NDArray[np.uint8]) -> None:
    """Everything about the picture (28, 28) uint8 that goes beyond the answer."""
    if not picture.any():
        return
    evidence(judges, picture)
    what_if(judges, picture)
    neighbours(judges, picture)


def evidence(judges: Sequence[Judge], picture: npt.NDArray[np.uint8]) -> None:
    """Each pixel's part in the score of the class that was named: together with the biases they are that score."""
    st.subheader("Which pixels speak for it", anchor=False)
    columns = st.columns(2)
    for column, judge in zip(columns, judges, strict=False):
        network = judge.respondent.network
        label = int(network.logits(picture[None])[0].argmax())
        found = ledger(network, picture, target(label), black=True)
        with column:
            st.markdown(f"**{frame.plain(judge.name)}**: {CLASSES[label]}")
            st.html(
                f'<img alt="What each pixel adds to the score of {CLASSES[label]}" src="{signed_picture(found.contributions)}" '
                'style="width:224px;image-rendering:pixelated;border-radius:4px">'
            )
            minus = found.contributions.clip(max=0).sum()
            st.caption(
                f"Pixels for it add {found.contributions.clip(min=0).sum():.2f}, pixels against it {decimal(minus, 2)}, a black picture has "
                f"{decimal(found.constant, 2)}: together {decimal(found.total, 2)}, the score that the network computed."
            )
    st.caption("Blue speaks for the class, orange against it.")
    about = {"run": judges[0].run.id, "step": judges[0].step, "pixels": as_text(picture)}
    frame.page_link("inside", "Open it in Inside, value by value", icon=":material/biotech:", **about)


def what_if(judges: Sequence[Judge], picture: npt.NDArray[np.uint8]) -> None:
    """The ten probabilities while one thing changes."""
    st.subheader("What would have to change?", anchor=False)
    kind: Kind = controls.one_of("Change", "what_if", words=WORDS, label_visibility="collapsed")  # type: ignore[assignment]
    change = CHANGES[kind]
    changed = family(picture, kind)
    for judge in judges:
        answers = judge.respondent.answer(changed)
        st.markdown(f"**{frame.plain(judge.name)}**")
        st.plotly_chart(
            probability_curves(
                change.amounts, answers.probabilities, answers.strangeness.is_stranger, change.unit, change.neutral
            ),
            config={"displayModeBar": False},
            key=f"what_if_{judge.run.id}",
        )
        st.caption(_turning_point(change.amounts, answers.classes, change.neutral, change.unit))
    st.caption(
        "Shaded: there the flag says that the picture is unlike anything the network was trained on, and its answer should "
        "not count."
    )


def _turning_point(amounts: Sequence[float], classes: npt.NDArray[np.int64], neutral: float, unit: str) -> str:
    """How far it goes to either side before the answer is another one."""
    at = amounts.index(neutral)
    parts = []
    for places in (range(at + 1, len(amounts)), range(at - 1, -1, -1)):
        other = next((place for place in places if classes[place] != classes[at]), None)
        if other is not None:
            parts.append(f"at {number(amounts[other])} {unit} it becomes {CLASSES[classes[other]]}")
    here = CLASSES[classes[at]]
    return f"{here} as it is; {', '.join(parts)}." if parts else f"{here} as it is, and all along this way."


def neighbours(judges: Sequence[Judge], picture: npt.NDArray[np.uint8]) -> None:
    """The training pictures that are nearest: by pixels, and by what the first network makes of them."""
    st.subheader("Nearest training pictures", anchor=False)
    train = frame.data_or_stop("train")
    found = {"by their 784 pixels, of all 60,000": _nearest_pixels(picture.tobytes())}
    first = judges[0].respondent
    if first.looks_inside:
        words = f"by the last hidden layer of {judges[0].name}, of {REFERENCE:,} that were looked through"
        found[words] = first.neighbours(picture[None], NEIGHBOURS)[0].tolist()
    for position, (words, indices) in enumerate(found.items()):
        labels = train.labels[indices]
        st.markdown(f"Nearest {frame.plain(words)}")
        image_grid(
            train.images[indices],
            captions=[CLASSES[label] for label in labels],
            hovers=[
                f"Training picture {index:,}: {CLASSES[label]}" for index, label in zip(indices, labels, strict=True)
            ],
            colours=[CLASS_COLOURS[label] for label in labels],
            links=[address.link("image", {"split": "train", "index": index}) for index in indices],
            columns=NEIGHBOURS,
            alt="Nearest training pictures",
            key=f"nearest_{position}",
        )


@st.cache_data(max_entries=64, show_spinner=False)
def _nearest_pixels(pixels: bytes) -> list[int]:
    picture = np.frombuffer(pixels, np.uint8).reshape(1, 28, 28)
    found: list[int] = nearest(picture, frame.data_or_stop("train").images, NEIGHBOURS)[0][0].tolist()
    return found

"""The test set by what a run made of it: which images were learned when, which were forgotten, which never came."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.evaluation.biography import Biographies, stretches
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.views.colours import CLASS_COLOURS, RIGHT, WRONG
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.runs.run_picker import run_picker

AT_ONCE = 60
Values = npt.NDArray[np.generic]

KINDS: Mapping[str, tuple[str, Callable[[Biographies], npt.NDArray[np.bool_]]]] = {
    "All": ("every test image", lambda story: np.ones(len(story.labels), bool)),
    "Never right": ("wrong at every moment", lambda story: story.never_learned),
    "Learned for good": (
        "right at some moment, and at all that followed",
        lambda story: story.unforgettable,
    ),
    "Forgotten": ("at least once right, and wrong at the next moment", lambda story: story.forgotten > 0),
    "Wrong at the end": ("wrong at the last moment", lambda story: story.learned_at < 0),
}
"""What can be filtered by: name to (its meaning, which images)."""

ORDERS: Mapping[str, Callable[[Biographies, npt.NDArray[np.float32]], Values]] = {
    "Index": lambda story, _sure: np.arange(len(story.labels)),
    "Learned first": lambda story, _sure: np.where(story.learned_at < 0, np.iinfo(np.int64).max, story.learned_at),
    "Learned last": lambda story, _sure: np.where(story.learned_at < 0, 1, -story.learned_at),
    "Most often forgotten": lambda story, _sure: -story.forgotten,
    "Most changes of mind": lambda story, _sure: -story.changes,
    "Surest": lambda _story, sure: -sure,
    "Most doubtful": lambda _story, sure: sure,
}
"""What can be sorted by: name to the values that are sorted, smallest first, given the confidence at the end."""


def biographies(test: Split) -> None:
    """Filters, orders, and the pictures, each with its strip; a click opens one at `?run=` on the Image page."""
    st.markdown(
        "What a run made of each test picture, from its first step to its last: which were learned early, which were forgotten again, "
        "which never came."
    )
    run = run_picker()
    if run is None:
        return
    frame.page_link("test", "Test this run", icon=":material/fact_check:", run=run.id)
    folder = client.folder(run.id)
    known = folder.predictions()
    steps = known.steps.tolist()
    try:
        story = Biographies(steps, known.classes, test.labels)
    except ValueError:
        st.warning("This run's folder holds no predictions for the test images.", icon=":material/folder_off:")
        return
    found, order = _chosen(story, known.confidences[-1])
    page = controls.page_number(max(1, -(-len(found) // AT_ONCE)))
    shown = found[(page - 1) * AT_ONCE : page * AT_ONCE]
    if not len(shown):
        st.info("No test image is like that.", icon=":material/image_not_supported:")
        return
    _pictures(test, story, known.confidences[-1], shown, run, order)
    legend()
    st.caption(
        f"Below each picture its biography: {len(steps)} moments of the run, from before training to step {steps[-1]:,}, in "
        "the colours of the predicted classes. A frame tells whether the last one is right. Forgetting as in Toneva et al., "
        "2019, but of test images and only at these moments: with more moments, the counts would be higher."
    )


def _chosen(story: Biographies, sure: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int64], str]:
    """Controls; the images that fit, in their order, and the order's name."""
    kind = controls.one_of("What became of them", "kind", tuple(KINDS), then=_from_the_start)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = controls.select("Order", "order", tuple(ORDERS), then=_from_the_start, width=210)
        true = controls.class_choice("True class", "true", then=_from_the_start, width=160)
        predicted = controls.class_choice("Predicted at the end", "predicted", then=_from_the_start, width=170)
    meaning, which = KINDS[kind]
    mask = which(story)
    if true is not None:
        mask = mask & (story.labels == true)
    if predicted is not None:
        mask = mask & (story.final == predicted)
    found = np.flatnonzero(mask)
    words = "".join(
        (
            "" if true is None else f", true class {CLASSES[true]}",
            "" if predicted is None else f", predicted as {CLASSES[predicted]}",
        )
    )
    st.markdown(f"**{len(found):,} of {len(story.labels):,} test images**: {meaning}{words}.")
    return found[np.argsort(ORDERS[order](story, sure)[found], kind="stable")], order


def _from_the_start() -> None:
    address.put(page=None)


def _pictures(
    test: Split,
    story: Biographies,
    confidences: npt.NDArray[np.float32],
    shown: npt.NDArray[np.int64],
    run: Run,
    order: str,
) -> None:
    captions, hovers = [], []
    for i in shown.tolist():
        true, guess = CLASSES[story.labels[i]], CLASSES[story.final[i]]
        learned, forgotten, changes = int(story.learned_at[i]), int(story.forgotten[i]), int(story.changes[i])
        sure = float(confidences[i])
        learned_words = f"learned at step {learned:,}" if learned >= 0 else "not learned"
        figure = {
            "Learned first": f"step {learned:,}" if learned >= 0 else "never",
            "Learned last": f"step {learned:,}" if learned >= 0 else "never",
            "Most often forgotten": f"{forgotten} ×",
            "Most changes of mind": f"{changes} ×",
            "Surest": frame.percent(sure, 1),
            "Most doubtful": frame.percent(sure, 1),
        }.get(order, f"{i:,}")
        captions.append(f"{true if guess == true else f'{guess} ({true})'}\n{figure}")
        hovers.append(
            f"Test picture {i:,}\nTrue: {true}\nPredicted at the end: {guess}, {100 * sure:.1f} % sure\n"
            f"{learned_words.capitalize()}, forgotten {forgotten} ×, {changes} changes of mind"
        )
    image_grid(
        test.images[shown],
        captions=captions,
        hovers=hovers,
        links=[address.link("image", {"split": "test", "index": i, "run": run.id}) for i in shown.tolist()],
        colours=[RIGHT if story.final[i] == story.labels[i] else WRONG for i in shown.tolist()],
        strips=[strip(story.predictions[:, i]) for i in shown.tolist()],
        columns=10,
        cell=84,
        alt=f"{len(shown)} test pictures with their biographies",
        key="biographies",
    )


def legend() -> None:
    """Which colour is which class, where the colours stand alone."""
    lines = (f'<span><i style="background:{CLASS_COLOURS[k]}"></i>{name}</span>' for k, name in enumerate(CLASSES))
    st.html(f'<div class="class-colours">{"".join(lines)}</div>')


def strip(predictions: npt.NDArray[np.uint8]) -> str:
    """One image's predictions (M,) as a CSS background: a stretch of colour for each moment."""
    stops, at = [], 0
    for guess, count in stretches(predictions):
        begin, at = at, at + count
        stops.append(f"{CLASS_COLOURS[guess]} {100 * begin / len(predictions):.2f}% {100 * at / len(predictions):.2f}%")
    return f"linear-gradient(90deg, {', '.join(stops)})"

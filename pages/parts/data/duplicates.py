"""Pictures that occur twice."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.data import duplicates
from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.data.duplicates import ALIKE, Pair, Place
from pages.parts import address, controls
from pages.parts.components.image_grid import image_grid

PAIRS = 10
WHICH = ("leaks", "train", "test")
WORDS = {"leaks": "Training and test", "train": "Twice in training", "test": "Twice in test"}


def copies(train: Split, test: Split) -> None:
    """Near duplicates, in pairs."""
    pairs = duplicates.near_duplicates()
    by_kind = {
        "leaks": [pair for pair in pairs if pair.is_leak],
        "train": [pair for pair in pairs if pair.second.split == "train"],
        "test": [pair for pair in pairs if pair.first.split == "test"],
    }
    st.markdown(
        f"No two of the 70,000 pictures are identical to the last bit. But {len(pairs)} pairs are the same photograph, at most {ALIKE:g} "
        "gray levels of 255 apart: "
        f"**{len(duplicates.leaked(pairs))} test pictures have a copy in the training set.** A network can know those by "
        "heart."
    )
    st.caption(
        "The byte-for-byte copies that were reported in 2017 ([issue 44]"
        "(https://github.com/zalandoresearch/fashion-mnist/issues/44)) are of an older release of the files. Apart: root mean "
        f"square over the 784 pixels. Up to {ALIKE:g}, all pairs are clearly one photograph; beyond it begin look-alikes, so a "
        "few copies that were cropped or lit otherwise are not found. Of "
        f"{len(pairs)} pairs, {sum(_labels(p, train, test)[0] != _labels(p, train, test)[1] for p in pairs)} have two "
        "different labels."
    )
    kind = controls.one_of(
        "Copies",
        "copies",
        WHICH,
        words={word: f"{WORDS[word]} ({len(by_kind[word])})" for word in WHICH},
        label_visibility="collapsed",
        then=lambda: address.put(page=None),
    )
    found = by_kind[kind]
    if not found:
        st.info("There is no such pair.", icon=":material/check_circle:")
        return
    page = controls.page_number(-(-len(found) // PAIRS))
    shown = found[(page - 1) * PAIRS : page * PAIRS]
    places = [place for pair in shown for place in (pair.first, pair.second)]
    splits = {"train": train, "test": test}
    left, right = st.columns([3, 2], gap="large")
    with left:
        image_grid(
            np.stack([splits[place.split].images[place.index] for place in places]),
            captions=[_caption(pair, place, splits) for pair in shown for place in (pair.first, pair.second)],
            hovers=[
                f"{'Training' if place.split == 'train' else 'Test'} picture {place.index}\n"
                f"{CLASSES[splits[place.split].labels[place.index]]}\n{pair.distance:.1f} gray levels from the other one"
                for pair in shown
                for place in (pair.first, pair.second)
            ],
            links=[address.link("image", {"split": place.split, "index": place.index}) for place in places],
            columns=4,
            cell=112,
            alt="Pairs of copies",
            key="copies",
        )
    with right:
        st.caption("Each two side by side are a pair, the closest pairs first; a click opens the picture.")
        st.markdown(
            "The switch **Cleaned test set** on the pages Test and Compare leaves the test pictures with a copy out, and those "
            "whose label you judge to be wrong. Every figure is then counted on the rest. The copies alone "
            f"change an accuracy by at most {len(duplicates.leaked(pairs)) / 100:.2f} points: too few to matter, which is worth "
            "knowing."
        )


def _labels(pair: Pair, train: Split, test: Split) -> tuple[int, int]:
    splits = {"train": train, "test": test}
    first, second = (int(splits[place.split].labels[place.index]) for place in (pair.first, pair.second))
    return first, second


def _caption(pair: Pair, place: Place, splits: dict[str, Split]) -> str:
    name = "training" if place.split == "train" else "test"
    side = f"{pair.distance:.1f} apart" if place is pair.second else ""
    return f"{name} {place.index}\n{CLASSES[splits[place.split].labels[place.index]]}\n{side}".rstrip()

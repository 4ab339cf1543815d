"""All test pictures on one map: what the network's last hidden layer puts near each other, and what somebody draws around."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.inside import area, neighbours
from fmnist_core.inside.area import Corners
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.service import maps
from fmnist_core.runs.service.maps import Layout, Shown
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid
from pages.parts.components.picture_map import picture_map
from pages.parts.components.ranking import Column, Row, ranking
from pages.parts.inside.subject import Subject

KEY = "picture_map"
Of = Literal["hidden", "pixels"]
OF: dict[Of, str] = {"hidden": "Last hidden layer", "pixels": "Pixels"}
BY: dict[Layout, str] = {"neighbours": "Neighbours", "components": "Two components"}
COLOUR: dict[Literal["true", "predicted", "right"], str] = {
    "true": "True class",
    "predicted": "Predicted class",
    "right": "Right and wrong",
}
AT_ONCE = 40
COLUMNS = (Column("Class"), Column("Pictures", number=True), Column("Right", number=True), Column("Wrong", number=True))


def draw(subject: Subject) -> None:
    """The view."""
    if subject.run.is_sealed:
        st.info("The map is of the test pictures: it waits for the choice in this run’s sweep.")
        return
    if subject.edits.edits:
        st.caption("This view is about the network as it was trained, without the edits of the address.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        of = controls.one_of("Near each other by", "map_of", tuple(OF), words=OF, then=_another_map)
        by = controls.one_of("Places keep", "map_by", tuple(BY), words=BY, then=_another_map)
        colour = controls.one_of("Colour", "map_colour", tuple(COLOUR), words=COLOUR)
        only = controls.class_choice("Class", "class", then=_first_page, width=190)
    folder = client.folder(subject.run.id)
    done = _done(subject, folder, by)
    steps = subject.steps if maps.is_quick(subject.run.config.architecture) else [s for s in done if isinstance(s, int)]
    if not steps:
        return
    corners = _corners()
    picture_map(
        subject.run.id,
        step=subject.step,
        steps=sorted(steps),
        of=of,
        by=by,
        version=len(done),
        colour=colour,
        only=only,
        area=corners,
        link=address.here(view=None, split=None, layer=None, unit=None, place=None, index=None, area=None) + "&index=",
        on_area=lambda: address.put(area=st.session_state[KEY].area or None, page=None),
        key=KEY,
    )
    step = max((step for step in steps if step <= subject.step), default=min(steps))
    st.caption(_MEANING[by if (step if of == "hidden" else maps.PIXELS) in done else "components"])  # what is drawn
    if corners is not None:
        _within(maps.shown(folder, step, of, by, len(done)), corners, only)


_MEANING: dict[Layout, str] = {
    "neighbours": (
        "Each picture stands near those that are nearest to it, as far as a plane has room for that (UMAP’s layout). So the "
        "nearest few mean something, and so does an island; how far two islands are apart, how large they are and which way "
        "is up mean nothing. Each moment of training begins from the map of the one after it, so that nothing jumps. "
        "“Pixels” shows what is near before any network has looked. A click follows a picture through the network."
    ),
    "components": (
        "Each picture stands where its first two principal components are. Pictures far from each other are unlike for the "
        "network; pictures near each other may still differ in the directions that two axes leave out. Each moment of training "
        "is turned to lie as near the last one as it can. “Pixels” shows what is near before any network has looked. A click "
        "follows a picture through the network."
    ),
}


# --- What has been computed ----------------------------------------------------------------------------------------


def _done(subject: Subject, folder: RunFolder, by: Layout) -> list[maps.Moment]:
    """The moments whose map is there; begins to compute them, and says how it stands."""
    quick = maps.is_quick(subject.run.config.architecture)
    if quick and not neighbours.is_possible():
        if by == "neighbours":
            st.info("There is no C compiler here to compute neighbours with: places keep two components.")
        return []
    if not subject.run.state.is_final:
        if by == "neighbours" or not quick:
            st.caption(
                ":material/timelapse: Computed when the run has ended."
                + (" Until then, places keep two components." if quick else "")
            )
        return []
    done, state = maps.ready(folder), maps.begin(folder)
    if state == "computing":
        st.fragment(_wait, run_every=2.0, key="maps")(subject.run.id, subject.step, by, subject.step in done)
    elif state != "ready":
        st.warning("The map by neighbours could not be computed.", icon=":material/error:")
    return maps.ready(folder)


def _wait(run_id: str, step: int, by: Layout, was_there: bool) -> None:
    try:
        folder = client.folder(run_id)
    except client.RunNotFound:
        st.rerun()
    done, wanted = maps.ready(folder), maps.moments(folder)
    count = sum(moment in done for moment in wanted)
    until = "" if was_there or by == "components" else " Until this moment’s turn comes, the map shows two components."
    st.caption(
        f":material/timelapse: Neighbours are computed in the background, from the last moment back to the first: {count} of "
        f"{len(wanted)}.{until}"
    )
    if maps.begin(folder) != "computing" or (step in done and not was_there):
        if by == "neighbours" and not was_there:
            address.put(area=None, page=None)  # it was drawn on another map
        st.rerun()


# --- What is drawn around ------------------------------------------------------------------------------------------


def _another_map() -> None:
    address.put(area=None, page=None)


def _first_page() -> None:
    address.put(page=None)


def _corners() -> Corners | None:
    """`?area=`; None where there is none or it cannot be read."""
    try:
        return area.parse(address.text("area")) if address.has("area") else None
    except ValueError as error:
        address.put(area=None)
        st.warning(frame.plain(str(error)), icon=":material/link_off:")
        return None


def _within(shown: Shown, corners: Corners, only: int | None) -> None:
    """The pictures in it: how many of each class, and themselves."""
    test = frame.data_or_stop("test")
    labels = test.labels[: len(shown.points)]
    found = np.flatnonzero(area.contains(corners, shown.points) & ((only is None) | (labels == only)))
    right = shown.guesses[found] == labels[found]
    st.subheader(f"Drawn around: {_counted(len(found))}, {int((~right).sum()):,} of them wrong", anchor=False)
    if not len(found):
        st.info("There is no picture in it.", icon=":material/image_not_supported:")
        return
    left, middle = st.columns([1, 1.6], gap="large")
    with left:
        _by_class(labels[found], right)
    with middle:
        page = controls.page_number(-(-len(found) // AT_ONCE))
        some = found[(page - 1) * AT_ONCE : page * AT_ONCE]
        _grid(some, shown.guesses[some])


def _by_class(labels: npt.NDArray[np.uint8], right: npt.NDArray[np.bool_]) -> None:
    chosen = address.optional("class")
    rows = []
    for number in sorted(set(labels.tolist()), key=lambda number: -int((labels == number).sum())):
        own = labels == number
        counts = (int(own.sum()), int((own & right).sum()), int((own & ~right).sum()))
        link = address.here(**{"class": None if number == chosen else number, "page": None})
        rows.append(Row((CLASSES[number], *(f"{n:,}" for n in counts)), link=link, is_shaded=number == chosen))
    ranking(COLUMNS, rows, sorted_by="", descending=False, label="Classes drawn around", key="area_classes")


def _grid(indices: npt.NDArray[np.int64], guesses: npt.NDArray[np.uint8]) -> None:
    test = frame.data_or_stop("test")
    captions, hovers = [], []
    for index, guess in zip(indices.tolist(), guesses.tolist(), strict=True):
        label = int(test.labels[index])
        captions.append("" if guess == label else f"not {CLASSES[guess]}")
        hovers.append(
            f"Test picture {index}: {CLASSES[label]}" + ("" if guess == label else f", taken for {CLASSES[guess]}")
        )
    image_grid(
        test.images[indices],
        captions=captions,
        hovers=hovers,
        links=[
            address.here(index=i, split=None, view=None, page=None, layer=None, unit=None, place=None, area=None)
            for i in indices.tolist()
        ],
        columns=8,
        cell=56,
        alt="Pictures drawn around on the map",
        key="in_area",
    )


def _counted(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"

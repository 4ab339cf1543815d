"""What every page shares: menu, title, "Show the code", links to pages, the data set or a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from fmnist_core.data import dataset
from pages.parts import address, show_the_code, streamlit_inside
from pages.parts.person import visited_before
from pages.parts.text import plain as plain
from pages.parts.who import who

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Page:
    """One line of the menu, and one step of the tutorial."""

    script: str
    """Path from the repository root, as `st.page_link` takes it."""
    title: str
    icon: str
    words: str
    """What a learner does there."""

    @property
    def number(self) -> int:
        """Its place on the menu: the script's number; 0 for the home page."""
        found = re.match(r"pages/([0-9]+)_", self.script)
        return int(found[1]) if found else 0


HOME = Page("app.py", "Home", ":material/home:", "Where you are.")
STEPS = (
    Page(
        "pages/1_browse.py",
        "Browse",
        ":material/grid_view:",
        "Look at a random batch, as training sees it, and at all 70,000 pictures.",
    ),
    Page(
        "pages/2_image.py",
        "Image",
        ":material/image:",
        "Take one picture for what it is, 784 numbers, and see what scaling does to them.",
    ),
    Page(
        "pages/3_network.py",
        "Network",
        ":material/layers:",
        "Follow a picture through two convolutions and two linear layers to ten scores.",
    ),
    Page(
        "pages/4_train.py",
        "Train",
        ":material/trending_down:",
        "Choose a learning rate, start, and watch the loss fall while it happens.",
    ),
    Page(
        "pages/5_test.py",
        "Test",
        ":material/fact_check:",
        "See what the network gets right and wrong, class by class, before and after.",
    ),
    Page(
        "pages/6_inside.py",
        "Inside",
        ":material/biotech:",
        "Open a trained network: follow any output down to the numbers that make it, and change them.",
    ),
    Page(
        "pages/7_yours.py",
        "Yours",
        ":material/draw:",
        "Draw a garment or bring a photo of one: what does your network make of something it has never seen?",
    ),
    Page(
        "pages/8_compare.py",
        "Compare",
        ":material/compare_arrows:",
        "Change one setting, train again, and see what that changed.",
    ),
    Page(
        "pages/9_explore.py",
        "Explore",
        ":material/explore:",
        "Race many copies at once, sweep over settings: see what is skill and what is luck.",
    ),
    Page(
        "pages/10_data.py",
        "Data",
        ":material/rule:",
        "Find what is wrong with the pictures themselves: copies, and labels to doubt.",
    ),
)
PAGES = (HOME, *STEPS)
LEFT = "pages_as_they_were_left"
A_DAY = 86_400.0
"""Seconds."""
ABOUT_RUNS = {"Train", "Test", "Inside", "Yours", "Compare"}

# A T-shirt in 12 x 12 pixels. A ":material/…:" favicon would be fetched from fonts.gstatic.com.
SHIRT = "M2 1h2v1h1v1h2v-1h1v-1h2v1h1v1h1v3h-2v-1h-1v7h-6v-7h-1v1h-2v-3h1v-1h1z"
MARK = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12" shape-rendering="crispEdges"><path fill="#6b74e6" d="{SHIRT}"/></svg>"""
STYLE = "".join(
    f"<style>{streamlit_inside.style(Path(__file__).parent / name)}</style>"
    for name in ("style.css", "components/scrolling.css")
)


# --- The frame -----------------------------------------------------------------------------------------------------


def page(title: str, lead: str, *, code: Sequence[object] = ()) -> None:
    """The first call of every page: browser title, menu, heading, one sentence that says what to do here and why.

    `code`: what the page runs, for the button "Show the code" beside the heading: functions, classes or modules;
    or, for what must not be imported here because it needs torch, the dotted name, such as "fmnist_core.training.loop.train".
    """
    st.set_page_config(
        page_title=title if title == "Fashion-MNIST Lab" else f"{title} · Fashion-MNIST Lab",
        page_icon=MARK,
        layout="wide",
        menu_items={"About": "Fashion-MNIST Lab: from the first picture to a tested network, on your own machine."},
    )
    refused = address.begin("home" if title == "Fashion-MNIST Lab" else title.lower())
    st.session_state.setdefault("visited", visited_before()).add(title)
    st.html(STYLE)
    st.logo(MARK, size="large")
    with st.sidebar:
        with st.container(gap="xxsmall"):
            _menu()
        who()
    with st.container(horizontal=True, vertical_alignment="bottom", key="heading"):
        st.title(title, anchor=False)
        if code:
            show_the_code.button(title, tuple(code))
    st.markdown(lead)
    for sentence in refused:
        st.warning(sentence, icon=":material/link_off:")
    st.fragment(_hears_again, run_every=A_DAY, key="hears_again")()


def _hears_again() -> None:
    """A page that runs again by itself, however seldom, also does so once its browser has found the server again: after a restart, or
    on a phone that slept. Otherwise its session would be a new one, which knows none of its buttons, and the first click would do nothing.
    """


def visited() -> set[str]:
    """Titles of the pages that this browser has opened."""
    return set(st.session_state.get("visited", ()))


def _menu() -> None:
    page_link("home", HOME.title, icon=HOME.icon, width="stretch")
    for step in STEPS:
        step_link(step, f"{step.number} · {step.title}", width="stretch")


def step_link(step: Page, label: str, *, width: Literal["content", "stretch"] = "content") -> None:
    """A link to a page; between those about runs it takes the run of the address along."""
    keeps = step.title in ABOUT_RUNS and re.fullmatch(r"[0-9a-f]{12}", run := st.query_params.get("run", ""))
    stood = st.session_state.get(LEFT, {}).get(step.title, {})
    page_link(step.title.lower(), label, icon=step.icon, width=width, **(stood | ({"run": run} if keeps else {})))


def come_back_to(title: str, values: dict[str, str]) -> None:
    """From other pages the menu leads back to the page at these parameters of the address, as it was left."""
    st.session_state.setdefault(LEFT, {})[title] = values


def page_link(
    page: str,
    label: str,
    *,
    icon: str | None = None,
    width: Literal["content", "stretch"] = "content",
    **values: str | int,
) -> None:
    """A link to a page, named as in the address, with `values` as its parameters; within a page, too."""
    query = {name: str(value) for name, value in values.items()}
    st.page_link(_known(page), label=label, icon=icon, width=width, query_params=query or None)


@cache
def _known(page: str) -> StreamlitPage:
    """Of a page by its name. Found once: with its path instead, Streamlit would ask the kernel thirty times for each link."""
    script = next(one.script for one in PAGES if one.title.lower() == page)
    return st.Page(ROOT / script, default=script == HOME.script)


# --- Small things ---------------------------------------------------------------------------------------------------


def ink() -> str:
    """The theme's text colour, for those parts of a chart that Streamlit's theme does not reach."""
    return "#e4e7ef" if st.context.theme.type == "dark" else "#1d2230"


def percent(share: float, digits: int = 2) -> str:
    r"""A share in [0, 1] as text.

    >>> percent(0.87654)
    '87.65\xa0%'
    """
    return f"{100 * share:.{digits}f}\u00a0%"


# --- The data set, or a sentence -----------------------------------------------------------------------------------


def data_or_stop(split: dataset.SplitName) -> dataset.Split:
    """The verified split; when there is none, the sentence that says why, the way out, and the end of the page."""
    try:
        return dataset.load(split)
    except dataset.DatasetError as error:
        data_fault(error)
        st.stop()


def data_fault(error: dataset.DatasetError) -> None:
    """What is wrong with the data set, and what to do: download what is missing, or look again."""
    st.error(plain(str(error)), icon=":material/folder_off:")
    with st.container(horizontal=True):
        missing = isinstance(error, dataset.DatasetMissing)
        download = missing and st.button(
            "Download the archives (31 MB)", icon=":material/download:", type="primary", key="download_data"
        )
        st.button("Look again", icon=":material/refresh:", key="look_again")
    if download:
        bar = st.progress(0.0, "Downloading with torchvision, at most two minutes")
        try:
            for share in dataset.download():
                bar.progress(share, f"Downloading with torchvision, at most two minutes: {percent(share, 0)}")
        except dataset.DatasetError as failure:
            bar.empty()
            st.error(plain(str(failure)), icon=":material/cloud_off:")
        else:
            st.rerun()

"""What every page shares: menu, title, "Show the code", the address, names as plain text, the data set or a sentence."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import streamlit as st

from fmnist_core.data import dataset

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
Word = TypeVar("Word", bound=str)
Whole = TypeVar("Whole", int, int | None)


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
ABOUT_RUNS = {"Train", "Test", "Compare"}

# A T-shirt in 12 x 12 pixels. A ":material/…:" favicon would be fetched from fonts.gstatic.com.
SHIRT = "M2 1h2v1h1v1h2v-1h1v-1h2v1h1v1h1v3h-2v-1h-1v7h-6v-7h-1v1h-2v-3h1v-1h1z"
MARK = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 12 12" shape-rendering="crispEdges"><path fill="#6b74e6" d="{SHIRT}"/></svg>"""
# The only style sheet of the app outside the components: what .streamlit/config.toml has no setting for.
STYLE = """<style>
[data-testid="stMainBlockContainer"] { max-width: 76rem; padding-inline: clamp(1rem, 3vw, 3rem); }
[data-testid="stSidebarHeader"] > :has(img) { display: flex; align-items: center; gap: 0.6rem; white-space: nowrap; }
[data-testid="stSidebarHeader"] > :has(img)::after { content: "Fashion-MNIST Lab"; font: 600 1.1rem "Source Serif", serif; }
[data-testid="stSidebar"] [data-testid="stPageLink-NavLink"] { padding-block: 0.35rem; }
.figures { width: 100%; border-collapse: collapse; font-size: 0.95rem; font-variant-numeric: tabular-nums; }
.figures :is(td, th) { padding: 0.4rem 0; border: none; border-bottom: 1px solid rgba(128, 132, 150, 0.22); text-align: right; font-weight: 400; }
.figures :is(td, th) + :is(td, th) { padding-left: 0.8rem; }
.figures :is(td, th):first-child { text-align: left; }
.figures thead th { font-size: 0.85rem; opacity: 0.7; }
.figures tbody th small { opacity: 0.7; margin-left: 0.4rem; }
.figures tr.strong > :is(td, th) { font-weight: 600; }
:is(.st-key-steps, .st-key-latest_runs) [data-testid="stPageLink"] { transform: translateX(-0.5rem); }
.wall-box { container-type: inline-size; }
.wall { --zoom: 1; display: grid; grid-template-columns: repeat(10, auto); gap: 0.5rem 0; justify-content: space-between; }
.wall a {
  width: calc(28px * var(--zoom)); height: calc(28px * var(--zoom)); background-size: calc(280px * var(--zoom)) auto;
  image-rendering: pixelated; border-radius: 4px;
}
.wall span { display: none; text-align: center; font-size: 0.8rem; opacity: 0.75; }
@container (min-width: 600px) { .wall { --zoom: 2; } }
@container (min-width: 900px) { .wall { --zoom: 3; } .wall span { display: block; } }
.wall a:hover, .wall a:focus-visible { outline: 2px solid rgb(107, 116, 230); outline-offset: 2px; }
.time-moves [class*="st-key-time_"] ~ * { opacity: 0.35; transition: opacity 120ms; }
.lines { --indent: 1ch; display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); font-size: 0.9rem; }
.lines > div { padding: 0.5rem 1rem 0.5rem 0; border-top: 1px solid rgba(128, 132, 150, 0.22); }
.lines pre { margin: 0; padding: 0; background: none; font: 0.8rem "Source Code Pro", monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 760px) {
  [data-testid="stMainBlockContainer"] h1 { font-size: 1.8rem; }
  .st-key-show_code p { font-size: 0; }
  .figures { font-size: 0.85rem; }
  .figures tbody th small { display: block; margin: 0; }
  .lines { --indent: 0.4ch; grid-template-columns: minmax(0, 1fr); }
  .lines > div:nth-child(odd) { padding-bottom: 0.1rem; }
  .lines > div:nth-child(even) { border-top: none; padding-top: 0; opacity: 0.8; }
}
</style>"""


# --- The frame -----------------------------------------------------------------------------------------------------


def page(title: str, lead: str, *, code: Sequence[object] = ()) -> None:
    """The first call of every page: browser title, menu, heading, one sentence that says what to do here and why.

    `code`: what the page runs, for the button "Show the code" beside the heading; see `show_code`.
    """
    st.set_page_config(
        page_title=title if title == "Fashion-MNIST Lab" else f"{title} · Fashion-MNIST Lab",
        page_icon=MARK,
        layout="wide",
        menu_items={"About": "Fashion-MNIST Lab: from the first picture to a tested network, on your own machine."},
    )
    st.session_state.setdefault("visited", set()).add(title)
    st.html(STYLE)
    st.logo(MARK, size="large")
    with st.sidebar, st.container(gap="xxsmall"):
        _menu()
    with st.container(horizontal=True, vertical_alignment="bottom", key="heading"):
        st.title(title, anchor=False)
        if code:
            with st.container(width="content"):
                _code_button(tuple(code))
    st.markdown(lead)


def visited() -> set[str]:
    """Titles of the pages that this session has opened; a reload begins a new session."""
    return set(st.session_state.get("visited", ()))


def _menu() -> None:
    st.page_link(HOME.script, label=HOME.title, icon=HOME.icon, width="stretch")
    for step in STEPS:
        step_link(step, f"{step.number} · {step.title}", width="stretch")


def step_link(step: Page, label: str, *, width: Literal["content", "stretch"] = "content") -> None:
    """A link to a page; between those about runs it takes the run of the address along."""
    run = st.query_params.get("run", "")
    keeps = step.title in ABOUT_RUNS and re.fullmatch(r"[0-9a-f]{12}", run)
    if (ROOT / step.script).exists():
        st.page_link(
            step.script, label=label, icon=step.icon, width=width, query_params={"run": run} if keeps else None
        )


# --- The address ---------------------------------------------------------------------------------------------------
#
# Each function reads one query parameter. What does not fit is answered by the default, said in a notice, and taken out
# of the address. The controls that write it are in address.py.


def query_int(name: str, default: Whole, low: int, high: int) -> Whole:
    """The whole number `?name=`, from `low` to `high`; else `default` and a notice."""
    raw = st.query_params.get(name)
    if raw is None:
        return default
    if re.fullmatch(r"-?[0-9]{1,18}", raw) and low <= int(raw) <= high:
        return int(raw)
    return _refuse(name, raw, f"a whole number from {low:,} to {high:,}", default)


def query_float(name: str, default: float, low: float, high: float) -> float:
    """The number `?name=`, from `low` to `high`; else `default` and a notice."""
    raw = st.query_params.get(name)
    if raw is None:
        return default
    if re.fullmatch(r"-?[0-9]{0,18}\.?[0-9]{0,18}(e-?[0-9]{1,2})?", raw, re.IGNORECASE):
        try:
            number = float(raw)
        except ValueError:
            number = math.nan
        if low <= number <= high:
            return number
    return _refuse(name, raw, f"a number from {low:g} to {high:g}", default)


def query_choice(name: str, options: Sequence[Word], default: Word, wanted: str = "") -> Word:
    """The word `?name=`, one of `options`; else `default` and a notice. `wanted`: what they are, where they are many."""
    raw = st.query_params.get(name)
    for option in options:
        if raw is None or raw == option:
            return default if raw is None else option
    return _refuse(name, raw or "", wanted or f"one of {', '.join(options)}", default)


def query_flag(name: str, default: bool) -> bool:
    """The switch `?name=`, true or false; else `default` and a notice."""
    raw = st.query_params.get(name)
    if raw in (None, "true", "false"):
        return default if raw is None else raw == "true"
    return _refuse(name, raw or "", "true or false", default)


def _refuse(name: str, raw: str, wanted: str, default: T) -> T:
    del st.query_params[name]
    shown = raw if len(raw) <= 40 else f"{raw[:40]}…"
    used = "" if default is None else f" This page shows **{default}**."
    st.warning(
        f"The address says {name} = “{plain(shown)}”, but it must be {wanted}.{used}",
        icon=":material/link_off:",
    )
    return default


# --- Text from people ----------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    r"""`text` as Markdown that shows exactly these characters: no HTML, links, pictures, icons, colours or formulas.

    Line breaks and control characters become spaces. After ":", "@", ".", "-" and "<" an invisible U+2060 keeps
    Streamlit from finding icons, addresses and arrows in what Markdown has already unescaped.

    >>> print(plain("<b> **bold**").replace(chr(0x2060), ""))
    \<b\> \*\*bold\*\*
    """
    tidy = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return re.sub(r"[!-/:-@\[-`{-~]", lambda m: f"\\{m[0]}" + ("\u2060" if m[0] in ":@.-<>=~" else ""), tidy)


def ink() -> str:
    """The theme's text colour, for those parts of a chart that Streamlit's theme does not reach."""
    return "#e4e7ef" if st.context.theme.type == "dark" else "#1d2230"


def percent(share: float, digits: int = 2) -> str:
    r"""A share in [0, 1] as text.

    >>> percent(0.87654)
    '87.65\xa0%'
    """
    return f"{100 * share:.{digits}f}\u00a0%"


# --- The code behind a page ----------------------------------------------------------------------------------------


def show_code(*objects: object) -> None:
    """An expander "Show the code" with the source that this app really runs.

    `objects`: functions, classes or modules; or, for what must not be imported here because it needs torch, the dotted
    name, such as "fmnist_core.training.loop.train".
    """
    with st.expander("Show the code", icon=":material/code:"):
        _sources(objects)


def _sources(objects: Sequence[object]) -> None:
    for thing in objects:
        where, source = source_of(thing)
        st.caption(plain(where))
        st.code(source, language="python", wrap_lines=True)


@st.fragment
def _code_button(code: tuple[object, ...]) -> None:
    """A fragment: looking at the code does not run the page again."""
    if st.button("Show the code", icon=":material/code:", type="tertiary", key="show_code"):
        _code_dialog(code)


@st.dialog("The code that this page runs", width="large", icon=":material/code:")
def _code_dialog(code: tuple[object, ...]) -> None:
    _sources(code)


def source_of(thing: object) -> tuple[str, str]:
    """(where it stands, its source). A dotted name is read from its file without importing it."""
    if isinstance(thing, str):
        module, _, name = thing.rpartition(".")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ValueError(f"there is no module {module}")
        path = Path(spec.origin)
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                lines = text.splitlines()[first - 1 : node.end_lineno]
                return f"{path.relative_to(ROOT)}, line {first}", "\n".join(lines)
        raise ValueError(f"there is no {name} in {module}")
    target = inspect.unwrap(thing) if callable(thing) else thing
    lines, first = inspect.getsourcelines(target)  # type: ignore[arg-type]
    path = Path(inspect.getsourcefile(target) or "").resolve()  # type: ignore[arg-type]
    where = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    return f"{where}, line {max(first, 1)}", "".join(lines).rstrip()


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
                bar.progress(share, f"Downloading with torchvision, at most two minutes: {share:.0%}")
        except dataset.DatasetError as failure:
            bar.empty()
            st.error(plain(str(failure)), icon=":material/cloud_off:")
        else:
            st.rerun()

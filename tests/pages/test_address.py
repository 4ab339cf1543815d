"""The table of the address: each parameter with hostile values on each of its pages; what may be bound, and how it is read."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Range, Real, Switch, Text, Whole, Word, as_text
from pages.parts import frame
from pages.parts.parameters import RENAMED, TABLE, Parameter, with_new_names
from tests.pages.conftest import Open, Trained, words

SCRIPTS = {page.title.lower(): page.script for page in frame.STEPS}
NONSENSE = (
    "", " ", "-1", "0", "1e20", "1e-400", "nan", "inf", "0x10", "1_000", "+1", "٣", "１", "true ", "None", "\0", "\x1b[2J", "a\nb",
    "<img src=x>", "![x](//y)", "../../etc/passwd", "%00", "a,b,,a", "0123456789ab@-1", "0" * 5000, "x" * 100_000, "\ufffd", "\u202e",
)  # fmt: skip
SECONDS = 5
"""That the short fuzz takes at most."""


def fitting(range_: Range) -> Iterator[str]:
    """Values at the edges of a range, inside and just outside."""
    match range_:
        case Whole(low, high):
            yield from map(str, (low, high, low - 1, high + 1))
        case Real(low, high):
            yield from map(as_text, (low, high, (low + high) / 2, low - 0.001, high + 0.001, 5e-324))
        case Word(names):
            yield from names
        case Switch():
            yield from ("true", "false", "True")
        case Text(longest):
            yield from ("0123456789ab", "y" * longest, "y" * (longest + 1))


def hostile_addresses(seed: int) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """Every row of the table with every value, in an order that the seed draws; each beside some others of its page."""
    drawn = random.Random(seed)
    cases = [(page, row, value) for row in TABLE for page in row.pages for value in (*NONSENSE, *fitting(row.range))]
    drawn.shuffle(cases)
    for page, row, value in cases:
        others = drawn.sample([other for other in TABLE if page in other.pages and other.name != row.name], k=2)
        address = {other.name: [drawn.choice([*fitting(other.range), *NONSENSE])] for other in others}
        yield page, address | {row.name: [value, value] if drawn.random() < 0.2 else [value]}


def fuzz(trained: Trained, seconds: float) -> int:
    """Open addresses until the time is over; the number of them. What failed is named with its address and the seed."""
    seed = int(os.environ.get("FMNIST_FUZZ_SEED") or time.time_ns() % 1_000_000)
    print(f"FMNIST_FUZZ_SEED={seed}")
    opened, until = 0, time.monotonic() + seconds
    for page, address in hostile_addresses(seed):
        if time.monotonic() > until:
            break
        for name in ("run", "runs"):  # so that there is something to show
            if any(name == row.name and page in row.pages for row in TABLE):
                address.setdefault(name, [trained.first if name == "run" else f"{trained.first},{trained.second}"])
        test = AppTest.from_file(frame.ROOT / "app.py", default_timeout=120)
        for name, values in address.items():
            test.query_params[name] = values
        test.switch_page(SCRIPTS[page]).run()
        what = f"seed {seed}: /{page} { ({name: [v[:60] for v in values] for name, values in address.items()}) }"
        assert not test.exception, f"{what}: {test.exception[0].message}"
        assert test.title, what
        opened += 1
        for name in test.query_params:  # what is left in the address is what the page shows: it stays when drawn again
            row = next((row for row in TABLE if row.name == name and page in row.pages), None)
            assert row is None or row.range.read(test.query_params[name]) is not None, f"{what} kept {name}"
    return opened


def test_no_address_breaks_a_page(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """A sample for some seconds, another each time: no traceback, always a title, and nothing wrong stays in the address."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    assert fuzz(trained, SECONDS) >= 1


@pytest.mark.slow
def test_no_address_breaks_a_page_for_long(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """The same for as long as FMNIST_FUZZ_SECONDS says, by default a minute."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    assert fuzz(trained, float(os.environ.get("FMNIST_FUZZ_SECONDS") or 60)) >= 1


# --- The table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.name}-{row.pages[0]}")
def test_each_default_is_in_its_range_and_comes_back_from_text(row: Parameter):
    """What a control would write into the address is read as the same value."""
    if row.default is not None:
        assert row.range.holds(row.default)
        assert row.range.read(as_text(row.default)) == row.default
    assert set(row.pages) <= set(SCRIPTS) | {"inside", "yours"}


def kind(range_: Range) -> type[Range]:
    """Words that the table names and words that a page looks up are read alike."""
    return Text if isinstance(range_, Word) else type(range_)


def test_one_name_means_one_thing():
    """Rows of one name differ in pages, words or default, never in their meaning or kind; no page has two of them."""
    for row in TABLE:
        for other in TABLE:
            if row is not other and row.name == other.name:
                assert (row.means, kind(row.range)) == (other.means, kind(other.range)), row.name
                assert not set(row.pages) & set(other.pages), row.name


def test_every_setting_of_a_run_is_in_the_address():
    """Range and default are those of `TrainingConfig`, and every setting has its words for a page."""
    rows = {row.name: row for row in TABLE if "train" in row.pages}
    assert set(SETTINGS) == set(TrainingConfig().to_dict())
    for name, setting in SETTINGS.items():
        assert rows[name].range is setting.range
        assert rows[name].default == getattr(TrainingConfig(), name)
        assert setting.label
        assert setting.help
        assert all(setting.range.holds(value) for value in setting.scale), name


@pytest.mark.parametrize(("page", "old"), RENAMED)
def test_an_old_name_is_the_new_one(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, page: str, old: str
):
    """A link from before a parameter was renamed asks for the same today, and its page writes the new name."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    new = RENAMED[page, old]
    assert not any(row.name == old and page in row.pages for row in TABLE)
    assert any(row.name == new and page in row.pages for row in TABLE)
    address = {"runs": f"{trained.first},{trained.second}", old: "1"} if page == "compare" else {old: "2"}
    opened = open_page(SCRIPTS[page], **address)
    assert not opened.exception
    assert not opened.warning
    assert (opened.query_params.get(new), old in opened.query_params) == (address[old], False)
    assert with_new_names(page, {old: "2", new: "3"}) == {new: "3"}


# --- What used to break --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings", [{"momentum": 0.995}, {"dropout": 0.995}, {"learning_rate": 1e-12}, {"weight_decay": 0.3}]
)
def test_what_a_terminal_may_train_a_page_can_show(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, settings: dict[str, float]
):
    """The control stands at exactly the value that would be trained, however unusual it is."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    ((name, value),) = settings.items()
    page = open_page(SCRIPTS["train"], "group_optimizer", "group_network", **{name: as_text(value)})
    assert not page.exception
    assert not page.warning
    assert page.select_slider(key=f"chosen_{name}").value == value


@pytest.mark.parametrize(
    "vary", ["learning_rate,batch_size,momentum,dropout,weight_decay", "learning_rate,learning_rate", "none", ""]
)
def test_settings_to_vary_may_be_too_many_or_the_same(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, vary: str
):
    """Explore takes four different ones, and says which in its address."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(SCRIPTS["explore"], view="sweep", vary_settings=vary)
    assert not page.exception
    chosen = page.multiselect(key="chosen_vary_settings").value
    assert chosen == list(dict.fromkeys(word for word in vary.split(",") if word in SETTINGS))[:4]
    assert page.query_params["vary_settings"] == ",".join(chosen)


def test_all_that_is_wrong_is_said_and_taken_out_at_once(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch
):
    """Three wrong parameters are three sentences; the right one stays."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(SCRIPTS["train"], epochs="0", momentum="1", optimizer="sdg", seed="7")
    assert len(page.warning) == 3
    assert "epochs" in words(page)
    assert set(page.query_params) == {"seed"}

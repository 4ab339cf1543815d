"""How a run is written down: strict JSON, versions and migrations, and every value held against its range."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest

from fmnist_core.evaluation.score import Score
from fmnist_core.files import Unreadable, parse, read, write_whole
from fmnist_core.runs.files.folder import LONGEST_LINE, RunFolder
from fmnist_core.runs.files.format import CONFIG_VERSION, EVENT_VERSION, Newer, from_json, to_json
from fmnist_core.runs.files.record import Damaged, Finished
from fmnist_core.runs.files.requests import Requests
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Changed, CopyLosses, Diverged, Losses, Measured

SCORE = {"loss": 0.5, "correct": [1] * 10, "total": [2] * 10}
MEASURED = {"event": "Measured", "v": 2, "step": 3, "epoch": 1, "seconds": 0.5, "test": SCORE, "train": SCORE}
LOSSES = {"event": "Losses", "v": 2, "step": 0, "losses": [2.3, 2.2], "seconds": 0.1}
CONFIG = {
    "name": "",
    "sequence": 1,
    "created_at": "2026-01-01T00:00:00+00:00",
    "config": {"epochs": 1},
}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path, "0123456789ab", 1, "", TrainingConfig())


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_spelled(loss: float):
    """A loss that is not finite is a word in strict JSON, and comes back as it was."""
    line = to_json(Diverged(7, loss, 0.5, measured=True))
    assert parse(line)["loss"] == {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(loss)]
    assert repr(from_json(line)) == repr(Diverged(7, loss, 0.5, measured=True))


# --- Versions ------------------------------------------------------------------------------------------------------


def test_lines_of_version_1_open_as_before():
    """They carry no version, and a loss that is no number stands there as NaN; what is made of them is strict."""
    old = '{"event":"Diverged","step":7,"loss":NaN,"learning_rate":0.5}'
    assert repr(from_json(old)) == repr(Diverged(7, math.nan, 0.5))
    old = json.dumps(
        {name: value for name, value in MEASURED.items() if name != "v"} | {"test": SCORE | {"loss": math.inf}}
    )
    event = from_json(old)
    assert isinstance(event, Measured)
    assert event.test == Score(math.inf, (1,) * 10, (2,) * 10)
    assert from_json(json.dumps(parse(to_json(event)))) == event


def test_config_of_version_1_opens_as_before(tmp_path: Path):
    """It carries no version; its `engine` was true of a branch's parent alone."""
    for name, parent, engine in (("000000000001", None, "torch"), ("000000000002", ["000000000001", 5], "compiled")):
        (tmp_path / name).mkdir()
        wanted = CONFIG | {"engine": "compiled", "parent": parent, "order": 1, "planned": [[7, 0.1, 0.5]], "group": "x"}
        (tmp_path / name / "config.json").write_text(json.dumps(wanted))
        run = RunFolder(tmp_path / name).run()
        assert run.engine == engine
        assert run.planned == (Changed(7, 0.1, 0.5),)
        assert run.first_step == (5 if parent else 0)
    RunFolder(tmp_path / "000000000001").relabel(name="new")
    kept = json.loads((tmp_path / "000000000001" / "config.json").read_text())
    assert kept["version"] == CONFIG_VERSION
    assert "engine" not in kept


def test_a_newer_version_is_refused_and_left_alone(run: RunFolder):
    """Neither its settings nor its events are read, and nothing is written over them."""
    path, newer = run.path / "config.json", "written by a newer version of Fashion-MNIST Lab"
    wanted = json.loads(path.read_text())
    path.write_text(content := json.dumps(wanted | {"version": CONFIG_VERSION + 1}))
    for do in (run.run, lambda: run.relabel(name="mine")):
        with pytest.raises(Newer, match=newer):
            do()
    assert path.read_text() == content
    path.write_text(json.dumps(wanted))
    (run.path / "events.jsonl").write_text(json.dumps({"event": "Dreamt", "v": EVENT_VERSION + 1, "of": 3}) + "\n")
    with pytest.raises(Newer, match=newer):
        list(run.events())


# --- Values --------------------------------------------------------------------------------------------------------

HOSTILE = [
    *({"seconds": value} for value in (None, "x", -1, 1e400, math.nan, True, [0], {})),
    *({"step": value} for value in ("x", 1.5, -1, 10**9, 10**30, None, [1], False)),
    *({"losses": value} for value in (None, 3, "12", [None], ["2"], [[2.3]], [1e39], [math.inf], [10**400], [True])),
    *(
        {"more": 1},
        {"event": "Unknown"},
        {"event": ["Losses"]},
        {"event": None},
        {"v": 0},
        {"v": "2"},
        {"v": None},
        {"v": 2.0},
    ),
]


@pytest.mark.parametrize("change", HOSTILE, ids=str)
def test_each_value_is_held_against_its_range(run: RunFolder, change: dict[str, object]):
    """A line with a value that cannot be is a fault of the run, named with its place; the others are read."""
    lines = [json.dumps(LOSSES), json.dumps(LOSSES | change), to_json(Finished(2))]
    (run.path / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
    good, bad, last = run.events()
    assert good == Losses(0, (2.3, 2.2), 0.1)
    assert isinstance(bad, Damaged)
    assert bad.reason.startswith(f"The line at byte {len(lines[0]) + 1:,} of its events.jsonl is left out: ")
    assert last == Finished(2)
    assert [parse(line)["event"] for line in run.read_events()[0]] == ["Losses", "Finished"]
    found = run.run().apply_all(run.events())
    assert (found.step, found.state, found.fault) == (2, "finished", bad.reason)


@pytest.mark.parametrize(
    "change",
    [
        *({"total": value} for value in ([0], [0] * 10, [1] * 9, None, ["2"] * 10, [10**9] * 10)),
        *({"correct": value} for value in ([3] * 10, [-1] * 10, [0.5] * 10)),
        *({"loss": value} for value in (None, "nan", "", [], math.nan)),
    ],
    ids=str,
)
def test_a_score_counts_images(change: dict[str, object]):
    """Ten classes, images in them, and no more right ones than there are."""
    with pytest.raises(ValueError, match=r"^test must "):
        from_json(json.dumps(MEASURED | {"test": SCORE | change}))


def test_rows_of_a_race_are_as_long_as_each_other():
    """A copy that is out is null; a row that is shorter, or a number that is none, is refused."""
    line = {"event": "CopyLosses", "v": 2, "step": 0, "seconds": 0.1}
    assert from_json(json.dumps(line | {"losses": [[1.0, None], [0.5, None]]})) == CopyLosses(
        0, ((1.0, None), (0.5, None)), 0.1
    )
    for rows in ([[1.0], [1.0, 2.0]], [[1.0] * 65], [["1"]], [1.0], [[math.nan]]):
        with pytest.raises(ValueError, match=r"^losses must be"):
            from_json(json.dumps(line | {"losses": rows}))


@pytest.mark.parametrize(
    "change",
    [
        *({"created_at": value} for value in (7, "yesterday", None, "x" * 100)),
        *({"sequence": value} for value in (None, "1", -1, 1.5, 10**20)),
        *({"parent": value} for value in ("x", [1], ["../../etc", 3], ["0123456789ab", -1], {"a": 1})),
        *({"order": value} for value in ("x", None, 1e300)),
        *(
            {"name": 7},
            {"owner": []},
            {"note": None},
            {"group": 7},
            {"planned": [[1]]},
            {"planned": 3},
            {"job": []},
            {"job": 3},
        ),
        *(
            {"config": value}
            for value in (None, [], {"colour": 1}, {"epochs": "2"}, {"optimizer": ["sgd"]}, {"learning_rate": 10**400})
        ),
    ],
    ids=str,
)
def test_settings_that_cannot_be(run: RunFolder, change: dict[str, object]):
    """`Unreadable`, with a sentence that names the file: never an error of another kind."""
    path = run.path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Unreadable, match=r"config\.json cannot be read: "):
        run.run()


# --- Files ---------------------------------------------------------------------------------------------------------


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.mkdir()


def make_link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def make_device_link(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_huge(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(2 << 30)


@pytest.mark.parametrize("make", [make_fifo, make_folder, make_link, make_device_link, make_huge])
def test_what_is_no_file_is_not_waited_for(run: RunFolder, make):
    """A FIFO, a folder, a link or two sparse gigabytes in the place of each file: a sentence at once, little memory."""
    for name in ("config.json", "events.jsonl"):
        path = run.path / name
        path.unlink(missing_ok=True)
        make(path)
    for do in (run.run, run.read_events, lambda: list(run.events())):
        with pytest.raises(Unreadable, match=str(run.path)):
            do()
    request = run.path / "requests" / "step"
    make(request)
    assert run.asked("step") is None
    run.settle("step")
    assert not os.path.lexists(request)


def test_a_line_without_an_end(run: RunFolder):
    """A long line that has not ended yet is not there yet; one that is longer than any can be is a fault."""
    (run.path / "events.jsonl").write_bytes(to_json(Finished(2)).encode() + b"\n" + b"x" * (3 << 20))
    assert list(run.events()) == [Finished(2)]
    (run.path / "events.jsonl").write_bytes(b"x" * (LONGEST_LINE + (2 << 20)))
    with pytest.raises(Unreadable, match="has a line of more than"):
        run.read_events()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path):
    """What was left under the temporary name is not written through, and what was there stays when there is no room."""
    path = tmp_path / "kept"
    write_whole(path, b"one")
    (tmp_path / ".kept.tmp").symlink_to(tmp_path / "elsewhere")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["kept"]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Unreadable, match="has 3 bytes: it can have 2 at most"):
        read(path, 2)


@pytest.mark.parametrize(
    "content", ["[true, 0.5]", "[0, 0.5]", "[0.5, 1]", "[1e400, 0.5]", "[0.1]", "{}", "[NaN, null]", "x", ""]
)
def test_a_change_that_cannot_be_is_void(tmp_path: Path, content: str):
    """A request for rates out of their range, or that is none, asks for nothing."""
    requests = Requests(tmp_path)
    requests.ask_for_change(0.5, None)
    asked = requests.changes_asked()
    assert list(asked.values()) == [(0.5, None)]
    (tmp_path / "requests" / "change-00000000000000000001").write_text(content)
    (tmp_path / "requests" / "change-of-mind").write_text("[0.5, 0.5]")
    assert requests.changes_asked() == asked

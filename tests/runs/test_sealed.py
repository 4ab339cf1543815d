"""What may be seen of a sweep's runs before one of them has been chosen: nothing of the test images, in no way."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fmnist_core.evaluation.score import Score
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Claimed, Finished
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.row import run_from_json, run_to_json
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.studies import sweep
from fmnist_core.terminal.following import lines
from fmnist_core.terminal.printing import run_keys, run_row
from fmnist_core.training.events import Losses, Measured, Started

CONFIG = TrainingConfig(batch_size=10_000, epochs=1, validation=10_000)
SECRET, OPEN = Score(0.54321, (777,) * 10, (1000,) * 10), Score(0.5, (800,) * 10, (1000,) * 10)


@pytest.fixture(autouse=True)
def _nobody_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)


def finished(run_id: str) -> RunFolder:
    """What a worker leaves, checkpoint included, without the training."""
    run = RunFolder(client.runs_folder() / run_id)
    writer = EventWriter(run.path)
    measured = [Measured(step, step / 5, step, SECRET, OPEN, OPEN) for step in (0, 5)]
    for event in (Claimed(1), Started(0, 5, 5, "cpu", 1, 1), measured[0], Losses(0, (1.0,) * 5, 5.0), measured[1]):
        writer.write(event)
    writer.write(Finished(5))
    writer.close()
    for split in ("test", "validation"):
        run.write_logits(5, np.eye(10, dtype=np.float32), split)
    (run.path / "checkpoints" / "00000000.safetensors").write_bytes(b"weights")
    return run


def test_of_an_open_sweep_the_door_gives_no_test_result_away():
    """Neither as a run nor in a list, neither as an event nor as a line, neither as logits nor as predictions, in no JSON."""
    (run_id,) = sweep.start(name := sweep.new_name(), [CONFIG])
    other = client.start(CONFIG, "ordinary")
    for each in (run_id, other):
        finished(each)
    for run in (client.get(run_id), next(run for run in client.list_runs() if run.id == run_id)):
        assert run.is_sealed
        assert [(m.test, m.shown) for m in run.measured] == [(None, OPEN)] * 2
        said = [*run_row(run), json.dumps(run_keys(run)), *lines(run), *map(repr, client.folder(run_id).events())]
        said += map(bytes.decode, client.folder(run_id).read_events()[0])
        assert not [text for text in said if "777" in text or "7770" in text or "0.54321" in text or "77.7" in text]
    folder = client.folder(run_id)
    assert folder.logit_steps() == []
    assert not len(folder.predictions().steps)
    assert folder.logits(5, "validation").shape == (10, 10)
    for read in (lambda: folder.logits(5), lambda: folder.snapshots.logits_of(3, [5])):
        with pytest.raises(FileNotFoundError, match="stays hidden until its sweep has chosen"):
            read()
    assert client.get(other).latest.test == SECRET
    assert client.folder(other).logit_steps() == [5]

    sweep.choose(name, run_id)
    assert client.get(run_id).latest.test == SECRET
    assert client.folder(run_id).logit_steps() == [5]


def test_a_branch_is_as_sealed_as_its_parent_and_is_not_chosen_from():
    """A branch that changes nothing would give the parent's result away; nor does the sweep gain a member."""
    (run_id,) = sweep.start(name := sweep.new_name(), [CONFIG])
    finished(run_id)
    branch = client.branch(run_id, 0)
    of_branch = client.branch(finished(branch).id, 0)
    for each in (branch, of_branch):
        assert client.get(each).is_sealed
    assert [run.id for run in sweep.runs_of(name)] == [run_id]
    assert [run.id for run in sweep.sweeps()[name]] == [run_id]
    sweep.choose(name, run_id)
    assert not client.get(of_branch).is_sealed


@pytest.mark.parametrize(
    ("text", "name", "group"),
    [
        ("", "", None),
        ("sweep-0123456789ab", "", Group("sweep", "0123456789ab")),
        ("sweep-0123456789ab", "Run 3, seed 2", Group("seeds", "sweep-0123456789ab")),
        ("Label check 3", "Label check 3, part 1 of 5", Group("label check", "3")),
        ("Label check 3", "Label check 3, part 1 of 5, seed 12", Group("seeds", "Label check 3")),
        ("Seeds of Fast", "Fast, seed 1", Group("seeds", "Seeds of Fast")),
        ("sweep-of-mine", "", Group("seeds", "sweep-of-mine")),
    ],
)
def test_groups_of_older_runs_are_read(text: str, name: str, group: Group | None):
    """They were strings, which "Train more seeds" passed on to runs that were no part of the sweep or the check."""
    run_id = client.start(CONFIG, name)
    path = client.runs_folder() / run_id / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"group": text}))
    assert client.get(run_id).group == group


def test_a_group_comes_back_from_the_files_and_from_the_index():
    """As it was; what is no group is refused with a sentence."""
    group = Group("label check", "7")
    run = client.get(client.start(CONFIG, group=group))
    assert run.group == run_from_json(run_to_json(run)).group == group
    for value in ({"kind": "club", "name": "x"}, {"kind": "sweep"}, 7, ["sweep", "x"]):
        with pytest.raises(ValueError, match="not a group of runs"):
            Group.read(value)


def test_a_damaged_choice_leaves_the_sweep_open():
    """Whatever the file holds that is no id."""
    (run_id,) = sweep.start(name := sweep.new_name(), [replace(CONFIG, seed=1)])
    (client.runs_folder() / ".sweeps").mkdir()
    path = client.runs_folder() / ".sweeps" / name
    for content in ("", "nothing", "../../etc", secrets.token_hex(9)):
        path.write_text(content)
        assert client.get(run_id).is_sealed

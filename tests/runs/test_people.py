"""What a learner may do with a run, and what a teacher: decided in the door, whoever asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.runs import client, people
from fmnist_core.runs.client import RunNotFound, RunRefused
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.people import Person, acting_as
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race

ADA, BEN = Person("a1", "Ada", "learner"), Person("b2", "Ben", "learner")
OTHER_ADA = Person("a3", "Ada", "learner")
TEACHER = Person("t1", "Ms Lovelace", "teacher")

CHANGES = {
    "stop": lambda run: client.stop(run),
    "pause": lambda run: client.pause(run),
    "resume": lambda run: client.resume(run),
    "change": lambda run: client.change(run, learning_rate=0.5),
    "delete": lambda run: client.delete(run, stop=True),
    "rename": lambda run: client.rename(run, "Mine now"),
    "annotate": lambda run: client.annotate(run, "Seen"),
    "move": lambda run: client.move(run, 0),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder in which nobody serves."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    for module in ("fmnist_core.runs.client.ensure_dispatcher", "fmnist_core.runs.client.ring"):
        monkeypatch.setattr(module, lambda *_: None)
    return tmp_path


def start_as(person: Person, name: str = "Run") -> str:
    with acting_as(person):
        return client.start(TrainingConfig(), name, owner="Somebody else's name")


def test_a_run_belongs_to_whoever_started_it():
    """Name and id come from the door; a learner cannot start one in another's name."""
    run = client.get(start_as(ADA))
    assert (run.owner, run.owner_id, run.whose) == ("Ada", "a1", "a1")
    assert people.is_own(run, ADA)
    assert not people.is_own(run, OTHER_ADA)


@pytest.mark.parametrize("change", CHANGES)
def test_a_learner_changes_only_their_own(change: str, folder: Path):
    """Another's run, also of somebody of the same name, is refused with its owner's name, and nothing is written."""
    run_id = start_as(ADA)
    before = {path: path.read_bytes() for path in (folder / run_id).rglob("*") if path.is_file()}
    for stranger in (BEN, OTHER_ADA):
        with acting_as(stranger), pytest.raises(RunRefused, match="belongs to Ada"):
            CHANGES[change](run_id)
    assert {path: path.read_bytes() for path in (folder / run_id).rglob("*") if path.is_file()} == before
    for allowed in (TEACHER, people.TERMINAL, ADA):
        with acting_as(allowed):
            CHANGES[change](run_id)
        if change == "delete":
            break


@pytest.mark.parametrize(("others", "sees_at_first", "sees_then"), [("all", 2, 2), ("finished", 1, 2), ("none", 1, 1)])
def test_what_learners_see_of_each_other(others: people.Others, sees_at_first: int, sees_then: int, folder: Path):
    """The teacher's switch holds in lists, for one run, for its files, and in the queue."""
    mine, theirs = start_as(ADA), start_as(BEN)
    with acting_as(TEACHER):
        people.show_others(folder, others)
        assert len(client.list_runs()) == 2

    def seen() -> int:
        with acting_as(ADA):
            assert mine in {run.id for run in client.list_runs()}
            count = len(client.list_runs())
            assert len(client.queue()) in (count, count - 1)  # a run that is over waits no more
            if count == 1:
                for look in (client.get, client.folder):
                    with pytest.raises(RunNotFound, match="belongs to somebody else"):
                        look(theirs)
            return count

    assert seen() == sees_at_first
    with open(folder / mine / "events.jsonl", "a", encoding="utf-8") as events:
        events.write('{"event":"Finished","step":0}\n')
    assert seen() == sees_then


def test_jobs_are_hidden_like_runs(folder: Path):
    """A race of somebody else is no exception."""
    with acting_as(BEN):
        client.start(TrainingConfig(), job=Race())
    people.show_others(folder, "none")
    with acting_as(ADA):
        assert client.list_jobs(Race) == []


def test_a_learner_does_not_decide_for_the_class(folder: Path):
    """The switch is a teacher's."""
    with acting_as(ADA), pytest.raises(PermissionError):
        people.show_others(folder, "all")


def test_damaged_settings_of_a_class_hide_nothing(folder: Path):
    """As if nothing had been decided; a word that is not one is no decision."""
    (folder / people.SETTINGS).write_text('{"others": ["none"]}')
    assert people.others_shown(folder) == "all"
    (folder / people.SETTINGS).write_text("{")
    assert people.others_shown(folder) == "all"


def test_the_queue_is_fair_between_people_not_names():
    """Two of one name take turns like any two."""
    first, second, other = start_as(ADA), start_as(ADA), start_as(OTHER_ADA)
    assert [waiting.run.id for waiting in client.queue()] == [first, other, second]


def test_a_run_from_before_ids_belongs_to_its_name(folder: Path):
    """Its record has no id."""
    old = RunFolder.create(folder, "0" * 12, 7, "Old", TrainingConfig(), owner="Ada").run()
    assert people.is_own(old, ADA)
    assert not people.is_own(old, BEN)

"""Answers that many ask for at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from fmnist_core.runs import client, people
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.people import Person
from fmnist_core.settings.config import TrainingConfig
from pages.parts.components.live_chart import route
from pages.parts.server import answers
from pages.parts.server.answers import Kept, Pace


def test_one_computes_for_all_who_ask_meanwhile():
    """Twenty who ask the same at once have it computed once; later it is computed anew."""
    kept, computed = Kept[int](0.3), []

    def compute() -> int:
        computed.append(threading.get_ident())
        time.sleep(0.05)
        return len(computed)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: kept.get("the same", compute), range(20))) == {1}
    assert kept.get("another", compute) == 2
    time.sleep(0.35)
    assert kept.found("the same") is None
    assert kept.get("the same", compute) == 3
    assert len(kept._answers) == 1, "what is stale is let go"


def test_an_error_is_not_kept():
    """Who asks after one whose question failed has it tried again."""
    kept = Kept[int](10.0)
    with pytest.raises(ZeroDivisionError):
        kept.get("x", lambda: 1 // 0)
    assert kept.get("x", lambda: 7) == 7


def test_the_more_ask_the_longer_they_wait(monkeypatch: pytest.MonkeyPatch):
    """Few ask again after the least time; three hundred as often as the server bears, and soon again when they have left."""
    now = [0.0]
    monkeypatch.setattr(answers.time, "monotonic", lambda: now[0])
    pace = Pace(0.25, 3.0, 100)

    def follow(followers: int, seconds: float) -> float:
        due, until = [now[0] + n / followers for n in range(followers)], now[0] + seconds
        while (first := min(due)) < until:
            now[0] = first
            due[due.index(first)] = first + pace.asked()
        return pace.asked()

    assert follow(10, 4) == 0.25
    assert 2.4 < follow(300, 8) <= 3.0
    assert follow(10, 8) == 0.25


@pytest.mark.parametrize("others", ["all", "none"])
def test_kept_answers_are_for_those_who_may_see_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: str):
    """What one person's page has fetched does not reach another, where the class may not see each other's runs."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    monkeypatch.setattr("fmnist_core.runs.client.ensure_dispatcher", lambda: None)
    monkeypatch.setattr(route, "_runs", Kept(60.0))
    monkeypatch.setattr(route, "_answers", Kept(60.0))
    ada, ben = Person("a" * 12, "Ada"), Person("b" * 12, "Ben")
    run_id, config = "0" * 12, replace(TrainingConfig(), device="cpu")
    RunFolder.create(tmp_path, run_id, next_sequence(tmp_path), "Ada's", config, owner="Ada", owner_id=ada.id)
    people.show_others(tmp_path, others)  # type: ignore[arg-type]

    def asks(person: Person) -> bytes:
        with people.acting_as(person):
            seen = (tmp_path, "" if client.sees_all() else f"{person.id} {person.name}", run_id)
            return route._answers.get(seen, lambda: route._events(seen, 0, 1000, True))

    assert b'"state":"queued"' in asks(ada)
    if others == "all":
        assert asks(ben) == asks(ada)
    else:
        with pytest.raises(client.RunNotFound):
            asks(ben)

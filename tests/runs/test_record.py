"""What a run is, as its events tell it: each event's effect, and the way to JSON and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from fmnist_core.evaluation.score import Score
from fmnist_core.runs.files.folder import is_run_id
from fmnist_core.runs.files.format import from_json, to_json
from fmnist_core.runs.files.record import (
    Claimed,
    Died,
    Failed,
    Finished,
    Interrupted,
    Paused,
    Resumed,
    Run,
    RunEvent,
    State,
    Stopped,
)
from fmnist_core.runs.row import run_from_json, run_to_json
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Diverged, Losses, Measured, Started

QUEUED = Run("0123456789ab", 3, "", "2026-01-01T00:00:00+00:00", TrainingConfig(batch_size=600, epochs=2))
SCORE = Score(0.5, tuple(range(91, 101)), (100,) * 10)
WORSE = replace(SCORE, loss=2.303, correct=(10,) * 10)
BEGINNING: list[RunEvent] = [
    Claimed(4321),
    Started(0, 200, 100, "cpu", 1, 27_480),
    Measured(0, 0, 0.0, WORSE, WORSE),
    Losses(0, (2.31, 2.3), 0.25),
    Losses(2, (2.2, 2.1, 2.0), 0.5),
    Measured(100, 1, 10.0, SCORE, SCORE),
]
HELD_OUT = Measured(100, 1, 10.0, SCORE, WORSE, replace(SCORE, loss=0.7))
ENDINGS: list[RunEvent] = [
    Died("why"),
    Interrupted(5),
    Paused(5, "why"),
    Resumed(),
    Stopped(5),
    Finished(200),
    Failed("why"),
    Diverged(6, math.inf, 10.0),
]


@pytest.mark.parametrize("event", [*BEGINNING, HELD_OUT, *ENDINGS], ids=lambda event: type(event).__name__)
def test_there_and_back(event: RunEvent):
    """An event comes back from its line of JSON as it was; the line has no line end in it."""
    line = to_json(event)
    assert "\n" not in line
    assert from_json(line) == from_json(line.encode()) == event


def test_losses_are_exact():
    """A loss is written with all the digits that it takes to read the same float32 again."""
    import numpy as np

    values = np.random.default_rng(0).uniform(0, 3, 1000).astype(np.float32)
    event = from_json(to_json(Losses(0, tuple(float(str(value)) for value in values), 1.0)))
    assert isinstance(event, Losses)
    assert np.asarray(event.losses, np.float32).tobytes() == values.tobytes()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b"7", b"null", b"{}", b"\xff\xfe", b"\0\0\0"),
        *(b'{"event":"Unknown"}', b'{"event":"Died"}', b'{"event":[]}', b'{"event":"Died","reason":"x","more":1}'),
        b'{"event":"Losses","step":0,"losses":3,"seconds":0}',
    ],
)
def test_no_event(line: bytes):
    """A line that is none of ours is a ValueError, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"."):
        from_json(line)


def test_the_way_of_a_run():
    """Queued, starting, running, measured, then the end: each event takes the run one step on."""
    states = [QUEUED]
    for event in [*BEGINNING, Finished(200)]:
        states.append(states[-1].apply(event))
    assert [run.state for run in states] == ["queued", "starting", *["running"] * 5, "finished"]
    assert [run.step for run in states] == [0, 0, 0, 0, 2, 5, 5, 5]
    last = states[-1]
    assert (last.steps, last.steps_per_epoch, last.device, last.threads) == (200, 100, "cpu", 1)
    assert last.before == BEGINNING[2]
    assert last.latest == BEGINNING[5]
    assert last.latest.test.accuracy == pytest.approx(0.955)
    assert last.seconds == 0.5
    assert last == QUEUED.apply_all([*BEGINNING, Finished(200)])


@pytest.mark.parametrize(
    ("event", "state", "reason", "deaths"),
    [
        (Died("why"), State.QUEUED, "why", 1),
        (Interrupted(5), State.QUEUED, "", 0),
        (Paused(5, "why"), State.PAUSED, "why", 0),
        (Resumed(), State.QUEUED, "", 0),
        (Stopped(5), State.STOPPED, "", 0),
        (Finished(200), State.FINISHED, "", 0),
        (Failed("why"), State.FAILED, "why", 0),
        (
            Diverged(1234, math.nan, 0.5),
            State.DIVERGED,
            "The loss was no longer a number in step 1,234 at learning rate 0.5: try a smaller one.",
            0,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_an_event_does(event: RunEvent, state: State, reason: str, deaths: int):
    """Every end has its state and its reason; what was trained and measured stays."""
    running = QUEUED.apply_all(BEGINNING)
    after = running.apply(event)
    assert (after.state, after.reason, after.deaths) == (state, reason, deaths)
    assert (after.step, after.measured, after.seconds) == (running.step, running.measured, running.seconds)
    assert after.apply(Claimed(1)).reason == ""


def test_speed_and_time_left():
    """Images per second are those of late; the time left is what the remaining steps take at that speed."""
    run = QUEUED.apply_all(BEGINNING[:4])
    assert run.images_per_second == 2 * 600 / 0.25
    run = run.apply(BEGINNING[4])
    assert run.images_per_second == pytest.approx(0.8 * 4800 + 0.2 * 3 * 600 / 0.25)
    assert run.seconds_left == pytest.approx(195 * 600 / run.images_per_second)
    assert run.progress == 5 / 200
    assert run.apply(Paused(5, "")).seconds_left is None


def test_seconds_never_go_back():
    """Steps that are trained again after a crash do not make the run younger."""
    run = QUEUED.apply_all(BEGINNING).apply(Losses(5, (1.0,), 0.4))
    assert (run.step, run.seconds) == (6, 0.5)
    assert run.images_per_second > 0


def test_run_there_and_back():
    """A run comes back from JSON as it was, measurements included, whatever its name."""
    for name in ("", 'a\n"b" <script>\N{SNOWMAN}', "\ud800".encode("utf-8", "replace").decode()):
        for events in ([], BEGINNING, [*BEGINNING, Died("why"), Claimed(1), Finished(200)]):
            run = replace(QUEUED.apply_all(events), name=name)
            assert run_from_json(run_to_json(run)) == run
            assert all(json.loads(line) is not None for line in run_to_json(run).splitlines())


def test_measurements_there_and_back():
    """However many measurements: they come back in their order, from either end, and count the same before they are read."""
    score = Score(0.5, (9,) * 10, (10,) * 10)
    for count in range(5):
        told = tuple(Measured(200 * epoch, epoch, 1.0 * epoch, score, score) for epoch in range(count))
        run = QUEUED.apply_all([Claimed(1), *told])
        back = run_from_json(run_to_json(run))
        assert (len(back.measured), back.before, back.latest) == (count, run.before, run.latest)
        assert tuple(back.measured) == tuple(run.measured) == told
        assert back.measured[1:] == told[1:]
        assert run_to_json(back) == run_to_json(run)


def test_row_that_was_damaged():
    """A row in which a bit has changed is refused, also where nobody has read it yet."""
    score = Score(0.5, (9,) * 10, (10,) * 10)
    row = run_to_json(QUEUED.apply_all([Measured(200 * epoch, epoch, 1.0, score, score) for epoch in range(4)]))
    for part in ('"step":0', '"step":400', '"count":4'):
        assert part in row
        with pytest.raises(ValueError, match="not what was written"):
            run_from_json(row.replace(part, part[:-1] + "1"))


def test_states():
    """Something will still happen to a run, or nothing ever will, or it waits for a person."""
    assert [state for state in State if state.is_active] == ["queued", "starting", "running"]
    assert [state for state in State if state.is_final] == ["finished", "stopped", "diverged", "failed"]


@pytest.mark.parametrize(
    "text",
    ["", "0123456789a", "0123456789abc", "0123456789AB", "0123456789ab\n", "../../../etc", "０１２３４５６７８９ab"],
)
def test_no_run_id(text: str):
    """Only 12 hexadecimal characters of ASCII are an id."""
    assert not is_run_id(text)

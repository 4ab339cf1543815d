"""When a waiting run is expected to start: from the work before it, whatever kind of work that is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmnist_core.runs.files.record import Moment, Run, State
from fmnist_core.runs.queue import expectations, seconds_left
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race, RateTest

CONFIG = TrainingConfig()
"""60,000 steps of 20 images."""
KNOWN = Run("0" * 12, 1, "", "", CONFIG, state=State.FINISHED, images_per_second=10_000.0)
WAITING = replace(KNOWN, id="1" * 12, state=State.QUEUED, images_per_second=0.0)
RACED = replace(KNOWN, id="2" * 12, job=Race(copies=4), images_per_second=50_000.0)


@pytest.mark.parametrize(
    ("run", "seconds"),
    [
        (WAITING, 120.0),
        (replace(WAITING, config=replace(CONFIG, step_limit=600)), 1.2),
        (replace(WAITING, job=RateTest(steps=150)), 0.3),
        (replace(WAITING, job=Race(copies=16)), 16 * 120.0),
        (replace(WAITING, parent=Moment("3" * 12, 30_000), step=30_000), 60.0),
        (replace(WAITING, state=State.STARTING, steps=60_000, step=45_000), 30.0),
        (replace(WAITING, config=replace(CONFIG, batch_size=64)), None),
    ],
)
def test_work_that_is_left(run: Run, seconds: float | None):
    """A rate test takes its own steps, a race those of all its copies, a branch what its parent has not done."""
    assert seconds_left(run, [KNOWN]) == (None if seconds is None else pytest.approx(seconds))


def test_a_race_is_held_against_a_race():
    """Copies side by side are quicker than a run for each; a run is not expected to be as quick as a race."""
    race = replace(WAITING, job=Race(copies=16))
    assert seconds_left(race, [KNOWN, RACED]) == pytest.approx(16 * 120 / 5)
    assert seconds_left(WAITING, [RACED, KNOWN]) == pytest.approx(120)


def test_what_waits_behind_a_race_waits_for_all_of_it():
    """The run behind a race of 16 and a rate test starts when both are over."""
    queue = [replace(WAITING, job=Race(copies=16)), replace(WAITING, job=RateTest(steps=150)), WAITING]
    starts = [waiting.starts_in for waiting in expectations(queue, [], [KNOWN], slots=1)]
    assert starts == pytest.approx([0.0, 1920.0, 1920.3])

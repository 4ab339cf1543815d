"""Jobs, such as a race: in the same queue as runs, in no list of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.format import from_json, to_json
from fmnist_core.runs.files.record import Interrupted
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.runs.index import IndexReader
from fmnist_core.runs.row import run_from_json, run_to_json
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race, RateTest
from fmnist_core.training.events import CopiesMeasured, CopyLosses, Losses
from tests.runs.lab import PATIENCE, SMALL, Lab, wait_until

QUICK = replace(SMALL, batch_size=6000)


def test_rate_test_is_done_like_a_run_and_listed_with_none(lab: Lab):
    """A worker does it, its losses are in its events, and no list of runs shows it."""
    job_id = client.start(TrainingConfig(device="cpu"), job=RateTest(steps=20))
    job = lab.wait(client.folder(job_id), "finished")
    assert job.job == RateTest(steps=20)
    assert job.step == 20
    assert len(client.folder(job_id).losses()) == 20
    assert job_id not in [run.id for run in client.list_runs()]
    assert job_id in [run.id for run in client.list_jobs(RateTest)]
    assert client.list_jobs(Race) == []


@pytest.mark.thorough
def test_index_keeps_what_a_job_is(lab: Lab):
    """Read from the index, a job is the same as read from its folder."""
    job_id = client.start(QUICK, job=Race(copies=2))
    lab.wait(client.folder(job_id), "finished")
    job = client.get(job_id)
    with IndexReader(client.runs_folder()) as index:
        found = index.run(job_id)
    assert found
    assert found[0].job == Race(copies=2)
    assert run_from_json(run_to_json(job)) == job


@pytest.mark.slow
def test_race_records_every_copy(lab: Lab):
    """A column of losses for each copy, and an accuracy after each epoch."""
    job_id = client.start(QUICK, job=Race(copies=3))
    job = lab.wait(client.folder(job_id), "finished")
    assert job.step == job.steps == 10
    assert job.images_per_second > 0
    events = list(client.folder(job_id).events())
    lines = [line for event in events if isinstance(event, CopyLosses) for line in event.losses]
    assert [len(line) for line in lines] == [3] * 10
    (measured,) = [event for event in events if isinstance(event, CopiesMeasured)]
    assert all(accuracy and 0 < accuracy < 1 for accuracy in measured.accuracy)


def test_race_stops_when_asked(lab: Lab):
    """At its next news, as a run does."""
    job_id = client.start(replace(QUICK, epochs=100), job=Race(copies=2))
    wait_until(lambda: client.get(job_id).step > 0)
    client.stop(job_id)
    job = lab.wait(client.folder(job_id), "stopped")
    assert 0 < job.step < job.steps


@pytest.mark.slow
def test_race_begun_again_tells_no_step_twice(own_lab: Lab):
    """After a crash it begins anew; steps that are recorded already are left out."""
    folder = own_lab.create(QUICK)
    race_id = client.start(QUICK, job=Race(copies=2))
    folder = client.folder(race_id)
    writer = EventWriter(folder.path)
    for event in (CopyLosses(0, ((2.25, 2.5), (2.25, None)), 0.5), Interrupted(2)):
        writer.write(event)
    writer.close()
    assert own_lab.start_worker(folder).wait(PATIENCE) == 0
    losses = [event for event in folder.events() if isinstance(event, CopyLosses)]
    assert [event.step for event in losses] == [
        sum(len(before.losses) for before in losses[:index]) for index in range(len(losses))
    ]
    assert sum(len(event.losses) for event in losses) == 10
    assert losses[0].losses[1] == (2.25, None)


@pytest.mark.parametrize(
    "event",
    [
        CopyLosses(3, ((1.5, None), (0.25, None)), 0.125),
        CopiesMeasured(5, 1.0, 0.5, (0.875, None)),
        Losses(0, (0.5,), 1.0),
    ],
)
def test_job_events_survive_json(event: CopyLosses | CopiesMeasured | Losses):
    """Written and read back, the same."""
    assert from_json(to_json(event)) == event

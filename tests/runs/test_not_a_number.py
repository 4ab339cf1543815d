"""A run whose numbers overflow: it is `diverged`, says where and at which rate, and its record stays strict JSON."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from fmnist_core.files import parse
from fmnist_core.runs.files.record import State
from fmnist_core.runs.files.snapshots import Snapshots
from fmnist_core.settings.jobs import Race
from fmnist_core.settings.schedules import learning_rate_at
from fmnist_core.training.events import Diverged, Logits, Losses, Measured
from fmnist_core.training.loop import train
from fmnist_core.training.measuring import measure
from fmnist_core.training.race import measure as measure_copies
from fmnist_core.training.replicas import BatchedCopies
from fmnist_core.training.state import TrainingData, TrainingState
from tests.runs.by_hand import BRIEF, Worker, create, work
from tests.runs.lab import events, recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")


def assert_strict(run) -> None:
    for line in (run.path / "events.jsonl").read_text().splitlines():
        parse(line)


@pytest.mark.parametrize("schedule", ["constant", "one-cycle", "cosine"])
def test_the_rate_named_is_the_one_used(little: TrainingData, schedule: str):
    """A loss that becomes no number ends the run, with the learning rate that the schedule gave this very step."""
    config = replace(BRIEF, learning_rate=10.0, schedule=schedule, weight_decay=0.9)
    run = create(config)
    work(run, little)
    (last,) = events(run, Diverged)
    assert not np.isfinite(last.loss)
    assert not last.measured
    assert last.learning_rate == pytest.approx(float(learning_rate_at(config, last.step - 1, 30)))
    found = recorded(run)
    assert found.state is State.DIVERGED
    assert f"in step {last.step:,} at learning rate {last.learning_rate:g}" in found.reason
    assert_strict(run)


class Overflows(Worker):
    """A weight that the last step of an epoch makes so large that only the measurement after it notices."""

    def record(self, event: object) -> None:
        super().record(event)
        if isinstance(event, Losses) and event.step + 1 == 10:
            with torch.no_grad():
                [*self.state.net.parameters()][-1][0] = torch.inf


def test_logits_that_overflow(little: TrainingData):
    """When the measurement after an epoch is no number, the run has diverged: nothing of it is recorded as a result."""
    run = create(BRIEF)
    worker = Overflows(run)
    worker.train(little)
    worker.leave()
    (last,) = events(run, Diverged)
    assert (last.step, last.measured) == (10, True)
    found = recorded(run)
    assert found.state is State.DIVERGED
    assert [measured.step for measured in found.measured] == run.logit_steps() == [0]
    became = "became infinite" if math.isinf(last.loss) else "was no longer a number"
    assert found.reason == (
        f"The loss {became} as measured after step 10 at learning rate {BRIEF.learning_rate:g}: try a smaller one."
    )
    assert run.read_checkpoint()[1] == 0, "the last finite one"
    assert_strict(run)


def test_a_stopped_run_whose_measurement_is_no_number(little: TrainingData):
    """It is not called stopped: the measurement at its end shows that it has diverged."""
    run = create(BRIEF)
    worker = Worker(run)

    def spoil_and_stop() -> None:
        with torch.no_grad():
            [*worker.state.net.parameters()][-1][0] = torch.inf
        run.ask("stop")

    worker.do = {5: spoil_and_stop}
    worker.train(little)
    worker.leave()
    assert recorded(run).state is State.DIVERGED
    assert [event.step for event in events(run, Diverged)] == [5]


def test_measuring_gives_logits_beside_the_event(little: TrainingData):
    """An event has the scores; the logits that they were counted from come just before it, for their file."""
    told = list(train(TrainingState.new(BRIEF), little))
    places = [number for number, event in enumerate(told) if isinstance(event, Measured)]
    assert [told[number].step for number in places] == [0, 10, 20, 30]
    for number in places:
        logits = told[number - 1]
        assert isinstance(logits, Logits)
        assert logits.step == told[number].step
        assert logits.test.shape == (200, 10)
        assert (logits.test.argmax(1) == little.test_labels.numpy()).sum() == sum(told[number].test.correct)
    state = TrainingState.new(BRIEF)
    with torch.no_grad():
        [*state.net.parameters()][-1].fill_(torch.inf)
    (diverged,) = measure(state, little)
    assert isinstance(diverged, Diverged)


def test_large_logits_are_kept_as_they_were(tmp_path):
    """Beyond the largest float16 they are kept as float32: the page's loss is the record's."""
    snapshots = Snapshots(tmp_path)
    for step, scale in enumerate((1.0, 65_504.0, 65_520.0, 1e30)):
        logits = np.linspace(-scale, scale, 30, dtype=np.float32).reshape(3, 10)
        snapshots.write_logits(step, logits)
        assert snapshots.logits(step) == pytest.approx(logits, rel=0 if scale > 65_504 else 1e-3, abs=scale * 1e-3)
        if scale > 65_504:
            assert snapshots.logits(step).tobytes() == logits.tobytes()


def test_a_copy_whose_logits_overflow(little: TrainingData):
    """In a race it has no accuracy any more; the others keep theirs."""
    config = replace(BRIEF, dropout=0.0)
    copies = BatchedCopies(config, Race(copies=3))
    with torch.no_grad():
        copies.weights[1, -1] = torch.inf
    first, spoiled, last = measure_copies(copies, config, little, 3)
    assert spoiled is None
    assert 0 <= min(first, last) <= max(first, last) <= 1

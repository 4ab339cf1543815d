"""A race: many copies trained at once, each as if it were alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.training import race as racing
from fmnist_core.training import replicas as copying
from fmnist_core.training.compiled import engine, library
from fmnist_core.training.events import CopiesMeasured, CopyLosses, Event, Losses, Measured, Started
from fmnist_core.training.loop import train
from fmnist_core.training.race import race
from fmnist_core.training.replicas import BatchedCopies, CompiledCopies, Copies
from fmnist_core.training.state import TrainingData, TrainingState

CONFIG = TrainingConfig(device="cpu", batch_size=20, epochs=1, learning_rate=0.01, seed=3)
"""Gentle steps: with large ones, differences in rounding grow quickly."""


@pytest.fixture(scope="module")
def little() -> TrainingData:
    """1,000 real images to train on, 310 to measure on."""
    whole = TrainingData.load(torch.device("cpu"))
    return TrainingData(whole.images[:1000], whole.labels[:1000], whole.test_images[:310], whole.test_labels[:310])


@pytest.fixture(params=["torch", "compiled"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the copies are trained; the single runs that they are compared with go PyTorch's way."""
    if request.param == "compiled":
        if not library.compiler():
            pytest.skip("no compiler: the compiled step cannot be made here")
        monkeypatch.setenv("FMNIST_COMPILED", "1")
        assert engine.prepare()
    return str(request.param)


def losses_of(events: list[Event], copy: int) -> list[float | None]:
    return [line[copy] for event in events if isinstance(event, CopyLosses) for line in event.losses]


def alone(data: TrainingData, **settings: object) -> list[Event]:
    """A run of its own."""
    config = TrainingConfig.from_dict(CONFIG.to_dict() | settings)
    state = TrainingState.new(config)
    state.compiled = None
    return list(train(state, data))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_each_copy_is_the_run_with_its_seed(little: TrainingData, kind: str, dropout: float):
    """Same first weights, same images, same dropout: same losses to float rounding, and the same images right."""
    config = TrainingConfig.from_dict(CONFIG.to_dict() | {"dropout": dropout})
    events = list(race(config, Race(copies=2), little))
    first, *_ = events
    assert isinstance(first, Started)
    assert first.engine == kind
    (last,) = [event for event in events if isinstance(event, CopiesMeasured)]
    for copy in range(2):
        single = alone(little, seed=3 + copy, dropout=dropout)
        expected = [loss for event in single if isinstance(event, Losses) for loss in event.losses]
        np.testing.assert_allclose(losses_of(events, copy), expected, rtol=2e-3)
        measured = [event for event in single if isinstance(event, Measured)][-1]
        assert last.accuracy[copy] == pytest.approx(measured.test.accuracy, abs=2.5 / 310)


def test_race_holds_images_out_and_measures_on_them(little: TrainingData, kind: str):
    """No copy trains on them: the losses are those of a run that holds the same ones out, and so is the accuracy."""
    settings = {"validation": 200, "fold": 1, "standardise": True}
    events = list(race(TrainingConfig.from_dict(CONFIG.to_dict() | settings), Race(copies=2), little))
    single = alone(little, **settings)
    expected = [loss for event in single if isinstance(event, Losses) for loss in event.losses]
    assert len(expected) == 40
    np.testing.assert_allclose(losses_of(events, 0), expected, rtol=2e-3)
    (last,) = [event for event in events if isinstance(event, CopiesMeasured)]
    measured = [event for event in single if isinstance(event, Measured)][-1]
    assert measured.validation
    assert last.accuracy[0] == pytest.approx(measured.validation.accuracy, abs=2.5 / 200)


def test_setting_that_a_race_does_not_have_is_refused(little: TrainingData):
    """It would silently be another one."""
    with pytest.raises(ValueError, match="optimizer cannot be 'adam' in a race"):
        next(race(TrainingConfig(device="cpu", optimizer="adam"), Race(), little))


def test_each_copy_has_its_learning_rate(little: TrainingData, kind: str):
    """Where rates differ, the seed is the same, and each copy is the run with its rate."""
    job = Race(copies=3, vary="learning_rate", lowest=0.0002, highest=0.02)
    events = list(race(CONFIG, job, little))
    firsts = [losses_of(events, copy)[0] for copy in range(3)]
    assert firsts[1:] == pytest.approx(firsts[:1] * 2)
    for copy, rate in enumerate((0.0002, 0.002, 0.02)):
        expected = [
            loss for event in alone(little, learning_rate=rate) if isinstance(event, Losses) for loss in event.losses
        ]
        np.testing.assert_allclose(losses_of(events, copy), expected, rtol=2e-3)


def with_broken(monkeypatch: pytest.MonkeyPatch, broken: Callable[[int], bool]) -> None:
    """Those copies begin with an infinite bias, as an explosion leaves it."""
    make = racing.make_copies

    def make_broken(config: TrainingConfig, job: Race) -> Copies:
        copies = make(config, job)
        for number in filter(broken, range(job.copies)):
            if isinstance(copies, BatchedCopies):
                copies.weights[number, -1] = math.inf
            elif isinstance(copies, CompiledCopies):
                copies.singles[number].net.fc2.bias.data[-1] = math.inf
        return copies

    monkeypatch.setattr(racing, "make_copies", make_broken)


@pytest.mark.parametrize("news_every", [0.0, 100.0])
def test_diverged_copy_drops_out_and_harms_no_other(
    little: TrainingData, kind: str, monkeypatch: pytest.MonkeyPatch, news_every: float
):
    """The others' losses are those of a race without it, whether it is noticed at once or at the end of the epoch."""
    monkeypatch.setattr(copying, "NEWS_EVERY", news_every)
    healthy = list(race(CONFIG, Race(copies=3), little))
    with_broken(monkeypatch, lambda number: number == 1)
    events = list(race(CONFIG, Race(copies=3), little))
    assert set(losses_of(events, 1)) == {None}
    for copy in (0, 2):
        np.testing.assert_allclose(losses_of(events, copy), losses_of(healthy, copy), rtol=2e-3)
    (last,) = [event for event in events if isinstance(event, CopiesMeasured)]
    assert last.accuracy[1] is None
    assert None not in (last.accuracy[0], last.accuracy[2])


def test_race_that_nobody_survives_ends(little: TrainingData, kind: str, monkeypatch: pytest.MonkeyPatch):
    """No copy left: no more steps, and no measurement of nothing."""
    monkeypatch.setattr(copying, "NEWS_EVERY", 0.0)
    with_broken(monkeypatch, lambda number: True)
    events = list(race(CONFIG, Race(copies=3), little))
    assert [type(event) for event in events] == [Started, CopyLosses]


@pytest.mark.parametrize(
    "options",
    [
        {"copies": 1},
        {"copies": 65},
        {"copies": 2.0},
        {"vary": "dropout"},
        {"lowest": 0.0},
        {"highest": 11.0},
        {"lowest": 1.0, "highest": 0.1},
        {"lowest": math.nan},
    ],
)
def test_impossible_race_is_refused(options: dict[str, object]):
    """The value is named where it enters."""
    with pytest.raises(ValueError, match=r"copies|vary|rates"):
        Race(**options)  # type: ignore[arg-type]

"""A race: many copies trained at once, each as if it were alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fmnist_core import race as racing
from fmnist_core.events import CopiesMeasured, CopyLosses, Event, Losses, Measured, Started
from fmnist_core.jobs import Race
from fmnist_core.race import Copies, race
from fmnist_core.recipes import TrainingConfig
from fmnist_core.training import TrainingData, TrainingState, train

CONFIG = TrainingConfig(device="cpu", batch_size=20, epochs=1, learning_rate=0.05, seed=3)


@pytest.fixture(scope="module")
def little() -> TrainingData:
    """1,000 real images to train on, 310 to measure on."""
    whole = TrainingData.load(torch.device("cpu"))
    return TrainingData(whole.images[:1000], whole.labels[:1000], whole.test_images[:310], whole.test_labels[:310])


def losses_of(events: list[Event], copy: int) -> list[float | None]:
    return [line[copy] for event in events if isinstance(event, CopyLosses) for line in event.losses]


def alone(data: TrainingData, **settings: object) -> list[Event]:
    """A run of its own."""
    config = TrainingConfig.from_dict(CONFIG.to_dict() | settings)
    return list(train(TrainingState.new(config), data))


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_each_copy_is_the_run_with_its_seed(little: TrainingData, dropout: float):
    """Same first weights, same images, same dropout: same losses to float rounding, and the same images right."""
    config = TrainingConfig.from_dict(CONFIG.to_dict() | {"dropout": dropout, "epochs": 2})
    events = list(race(config, Race(copies=3), little))
    (last,) = [e for e in events if isinstance(e, CopiesMeasured) and e.epoch == 2]
    for copy in range(3):
        single = alone(little, seed=3 + copy, dropout=dropout, epochs=2)
        expected = [loss for event in single if isinstance(event, Losses) for loss in event.losses]
        np.testing.assert_allclose(losses_of(events, copy), expected, rtol=2e-3)
        measured = [event for event in single if isinstance(event, Measured)][-1]
        assert last.accuracy[copy] == pytest.approx(measured.test.accuracy, abs=2.5 / 310)


def test_race_holds_images_out_and_measures_on_them(little: TrainingData):
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


def test_each_copy_has_its_learning_rate(little: TrainingData):
    """Where rates differ, the seed is the same, and each copy is the run with its rate."""
    job = Race(copies=3, vary="learning_rate", lowest=0.001, highest=0.1)
    events = list(race(CONFIG, job, little))
    firsts = [losses_of(events, copy)[0] for copy in range(3)]
    assert firsts[1:] == pytest.approx(firsts[:1] * 2)
    for copy, rate in enumerate((0.001, 0.01, 0.1)):
        expected = [
            loss for event in alone(little, learning_rate=rate) if isinstance(event, Losses) for loss in event.losses
        ]
        np.testing.assert_allclose(losses_of(events, copy), expected, rtol=2e-3)


@pytest.mark.parametrize("news_every", [0.0, 100.0])
def test_diverged_copy_drops_out_and_harms_no_other(
    little: TrainingData, monkeypatch: pytest.MonkeyPatch, news_every: float
):
    """The others' losses are those of a race without it, whether it is noticed at once or at the end of the epoch."""
    monkeypatch.setattr(racing, "NEWS_EVERY", news_every)
    healthy = list(race(CONFIG, Race(copies=3), little))
    new = Copies.new

    def with_a_broken_copy(config: TrainingConfig, job: Race) -> Copies:
        copies = new(config, job)
        copies.weights[1, -1] = math.inf  # as an explosion leaves it
        return copies

    monkeypatch.setattr(Copies, "new", with_a_broken_copy)
    events = list(race(CONFIG, Race(copies=3), little))
    assert set(losses_of(events, 1)) == {None}
    for copy in (0, 2):
        np.testing.assert_allclose(losses_of(events, copy), losses_of(healthy, copy), rtol=2e-3)
    (last,) = [event for event in events if isinstance(event, CopiesMeasured)]
    assert last.accuracy[1] is None
    assert None not in (last.accuracy[0], last.accuracy[2])


def test_race_that_nobody_survives_ends(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """No copy left: no more steps, and no measurement of nothing."""
    monkeypatch.setattr(racing, "NEWS_EVERY", 0.0)
    new = Copies.new

    def all_broken(config: TrainingConfig, job: Race) -> Copies:
        copies = new(config, job)
        copies.weights[:] = math.nan
        return copies

    monkeypatch.setattr(Copies, "new", all_broken)
    events = list(race(CONFIG, Race(copies=3), little))
    assert [type(event) for event in events] == [Started, CopyLosses]


@pytest.mark.parametrize(
    "options",
    [
        {"copies": 1},
        {"copies": 33},
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

"""The learning-rate finder."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from fmnist_core.settings import jobs
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import RateTest, suggest
from fmnist_core.training import precision
from fmnist_core.training.events import Losses, Started
from fmnist_core.training.loop import train
from fmnist_core.training.rate_finder import rate_test
from fmnist_core.training.state import TrainingData, TrainingState

CONFIG = TrainingConfig(device="cpu", batch_size=20)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return TrainingData.load(torch.device("cpu"))


def losses(config: TrainingConfig, test: RateTest, data: TrainingData) -> list[float]:
    first, *rest = rate_test(config, test, data)
    assert isinstance(first, Started)
    assert first.steps == test.steps
    found: list[float] = []
    for event in rest:
        assert isinstance(event, Losses)
        assert event.step == len(found)
        found += event.losses
    return found


def test_rate_grows_by_the_same_factor_from_step_to_step():
    """From the lowest to the highest rate: even steps on a logarithmic axis."""
    test = RateTest(steps=100, lowest=1e-5, highest=10.0)
    rates = [test.learning_rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(1e-5)
    assert rates[-1] == pytest.approx(10.0)
    assert [after / before for before, after in pairwise(rates)] == pytest.approx([1e6 ** (1 / 99)] * 99)


def test_tutorials_network_wants_a_rate_between_a_hundredth_and_a_fifth(data: TrainingData):
    """Its loss falls, then climbs above where it began; the suggestion lies where training is known to work well."""
    for seed in range(3):
        config = TrainingConfig(device="cpu", batch_size=20, seed=seed)
        test = RateTest()
        found = losses(config, test, data)
        suggestion = suggest(test, found)
        assert suggestion
        assert found[0] == pytest.approx(math.log(10), abs=0.2)
        assert min(suggestion.smooth) < 2.1
        assert 0.005 <= suggestion.learning_rate <= 0.2
        assert suggestion.learning_rate < (suggestion.divergence or 10.0)


def test_test_goes_on_over_the_end_of_an_epoch(data: TrainingData):
    """Where an epoch has fewer steps than the test, the next epoch begins."""
    few = TrainingData(data.images[:100], data.labels[:100], data.test_images[:10], data.test_labels[:10])
    test = RateTest(steps=30, highest=0.01)
    assert len(losses(CONFIG, test, few)) == 30


def test_suggestion_is_read_off_the_losses():
    """A valley at 0.1: a tenth of it; the steepest fall before it; divergence where the loss is back where it began."""
    test = RateTest(steps=61, lowest=1e-5, highest=10.0)
    made = [2.3 - 1.3 / (1 + math.exp(-3 * (math.log10(test.learning_rate(step)) + 2))) for step in range(61)]
    made = [loss if test.learning_rate(step) < 0.3 else 30.0 for step, loss in enumerate(made)]
    found = suggest(test, made)
    assert found
    assert 0.01 <= found.learning_rate <= 0.03
    assert 0.005 <= found.steepest <= 0.05  # the middle of the slope, later by the smoothing
    assert found.divergence is not None
    assert 0.3 <= found.divergence <= 0.6


def test_too_few_losses_suggest_nothing():
    """A test that broke off at once."""
    assert suggest(RateTest(), [2.3] * 9) is None


@pytest.mark.parametrize(
    "options", [{"steps": 9}, {"steps": 1e9}, {"lowest": 0}, {"highest": 11}, {"lowest": 1, "highest": 1}]
)
def test_impossible_test_is_refused(options: dict[str, float]):
    """The value is named where it enters."""
    with pytest.raises(ValueError, match=r"steps|rates"):
        RateTest(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values", [{"kind": "nap"}, {}, {"kind": "race", "legs": 4}, {"kind": "rate test", "steps": "x"}]
)
def test_what_is_no_job_is_refused(values: dict[str, object]):
    """A config.json from elsewhere."""
    with pytest.raises(ValueError, match=r"job|steps"):
        jobs.from_dict(values)


def test_finder_computes_in_trainings_precision(data: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """Where training multiplies in bfloat16 the finder does: its first loss is training's, and not float32's."""
    config = TrainingConfig(device="cpu", architecture="residual", batch_size=20, step_limit=1)
    found = []
    for is_reduced in (True, False):
        monkeypatch.setattr(precision, "multiplies_bfloat16", lambda _device, is_reduced=is_reduced: is_reduced)
        little = replace(data, test_images=data.test_images[:20], test_labels=data.test_labels[:20])
        events = train(TrainingState.new(config), replace(little, images=data.images[:200], labels=data.labels[:200]))
        trained = next(event.losses[0] for event in events if isinstance(event, Losses))
        few = replace(data, images=data.images[:200], labels=data.labels[:200])
        assert losses(config, RateTest(steps=10, highest=0.001), few)[0] == pytest.approx(trained, rel=1e-6)
        found.append(trained)
    assert found[0] != pytest.approx(found[1], rel=1e-6)

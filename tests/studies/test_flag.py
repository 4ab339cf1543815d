"""How far the flag can be trusted: the strangers that are made, and what is counted of them."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core.data import dataset
from fmnist_core.evaluation.strange_pictures import CHOSEN_BY, HELD_OUT
from fmnist_core.inside.graph import graph, tensor_shapes
from fmnist_core.inside.network import Network
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.studies.answers import Respondent
from fmnist_core.studies.flag import quality


@pytest.mark.parametrize("kind", [*CHOSEN_BY, *HELD_OUT])
def test_strangers_are_pictures(kind: str):
    """28 x 28 gray values, the same each time, never the pictures that they are made of."""
    base = np.array(dataset.load("test").images[:12])
    make = (CHOSEN_BY | HELD_OUT)[kind]
    found, again = (make(base, np.random.default_rng(3)) for _ in range(2))
    assert found.shape == base.shape
    assert found.dtype == np.uint8
    assert np.array_equal(found, again)
    assert np.abs(found.astype(int) - base).mean() > 3
    assert not set(CHOSEN_BY) & set(HELD_OUT)


def test_quality_of_an_untrained_network():
    """Also random weights give it eyes: the figures alone catch noise; the curve's area is the number that is shown."""
    config, random = TrainingConfig(), np.random.default_rng(0)
    shapes = tensor_shapes(graph(config))
    weights = {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    found = quality(
        Respondent.of(Network(config, weights)), 40, {"mine": random.integers(0, 256, (20, 28, 28), np.uint8)}
    )
    assert len(found.kinds) == len(CHOSEN_BY) + len(HELD_OUT) + 1
    assert 0.02 < found.false_alarms < 0.09
    by_name = {kind.kind: kind for kind in found.kinds}
    assert by_name["noise"].share == by_name["mine"].share == 1
    assert by_name["noise"].auroc > 0.99
    for kind in found.kinds:
        false_alarms, caught = found.curve(kind)
        assert (np.diff(false_alarms) >= 0).all()
        assert (np.diff(caught) >= 0).all()
        assert np.trapezoid(caught, false_alarms) == pytest.approx(kind.auroc, abs=1e-6)

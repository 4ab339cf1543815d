"""Two networks on the same pictures: against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference
from statsmodels.stats.multitest import multipletests

from fmnist_core.evaluation.comparison import by_class, difference, holm, mcnemar
from fmnist_core.evaluation.evaluate import Evaluation


def predicted(labels: np.ndarray, predictions: np.ndarray) -> Evaluation:
    """An evaluation with these predictions."""
    return Evaluation.from_logits(np.eye(10)[predictions], labels)


@pytest.mark.parametrize(("a", "b"), [(212, 187), (0, 0), (0, 7), (1, 1), (30, 30), (480, 391), (3, 1200)])
def test_mcnemar_is_statsmodels_exact_test(a: int, b: int):
    """Exact and two-sided, from the smallest to the largest counts."""
    assert mcnemar(a, b) == pytest.approx(reference([[9000, a], [b, 400]], exact=True).pvalue, rel=1e-9, abs=1e-300)


def test_pictures_that_only_one_has_right():
    """Indices of both kinds, and none of those on which they agree."""
    labels = np.array([0, 1, 2, 3, 4])
    apart = difference(predicted(labels, np.array([0, 1, 9, 9, 4])), predicted(labels, np.array([0, 9, 2, 8, 4])))
    assert apart.only_first.tolist() == [1]
    assert apart.only_second.tolist() == [2]


def test_different_images_are_refused():
    """Nothing can be said of networks that saw different pictures."""
    with pytest.raises(ValueError, match="not of the same images"):
        difference(predicted(np.array([0, 1]), np.array([0, 1])), predicted(np.array([1, 0]), np.array([0, 1])))


@pytest.mark.parametrize("seed", range(5))
def test_holms_correction_is_statsmodels(seed: int):
    """Ten p-values, some of them equal."""
    p_values = np.random.default_rng(seed).random(10).round(1 + seed % 3) ** 3
    assert holm(p_values.tolist()) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_classes_add_up_to_the_whole():
    """Each picture counts for the class that it has; the p-values are those of the class alone, then corrected."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 10, 5_000).astype(np.uint8)
    predictions = [np.where(random.random(5_000) < share, labels, (labels + 1) % 10) for share in (0.86, 0.83)]
    apart = difference(*(predicted(labels, some) for some in predictions))
    classes = by_class(apart, labels)
    for i, part in enumerate(classes):
        right = [(some == labels)[labels == i] for some in predictions]
        table = [[(right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()], [(~right[0] & right[1]).sum(), 0]]
        assert part.p_value == pytest.approx(reference(table, exact=True).pvalue)
        assert labels[part.apart.only_first].tolist() == [i] * int(table[0][1])
    assert sum(len(part.apart.only_second) for part in classes) == len(apart.only_second)
    assert [part.corrected for part in classes] == pytest.approx(
        multipletests([part.p_value for part in classes], method="holm")[1].tolist()
    )

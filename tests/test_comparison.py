"""Two networks on the same pictures: against statsmodels and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar as reference

from fmnist_core.comparison import difference, mcnemar
from fmnist_core.evaluation import Evaluation


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

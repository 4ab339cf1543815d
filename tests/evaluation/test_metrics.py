"""Figures of the confusion matrix: against scikit-learn, torchmetrics, SciPy and plain enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import torchmetrics.functional.classification as theirs
from scipy import stats
from sklearn import metrics as sklearn

from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.evaluation.metrics import bootstrap, confused_pairs, mean_interval, per_class, similarity_order


def test_class_figures_are_scikit_learns(predictions: Evaluation):
    """Precision, recall, F1 and support of each class, on real predictions."""
    ours = per_class(predictions.matrix)
    expected = sklearn.precision_recall_fscore_support(predictions.labels, predictions.predictions)
    for figure, reference in zip((ours.precision, ours.recall, ours.f1, ours.support), expected, strict=True):
        assert figure == pytest.approx(reference, rel=1e-12)


@pytest.mark.parametrize("kind", ["macro", "weighted"])
def test_averages_are_scikit_learns_and_torchmetrics(predictions: Evaluation, kind: str):
    """Also on a part of the images, in which the classes are not of one size."""
    part = predictions.subset((predictions.labels < 6) | (np.arange(10_000) % 3 == 0))
    ours = per_class(part.matrix).averages
    expected = sklearn.precision_recall_fscore_support(part.labels, part.predictions, average=kind)
    assert [ours[f"{kind} {name}"] for name in ("precision", "recall", "F1")] == pytest.approx(expected[:3], rel=1e-12)
    logits, labels = torch.tensor(part.logits), torch.tensor(part.labels).long()
    for name, function in (
        ("precision", theirs.multiclass_precision),
        ("recall", theirs.multiclass_recall),
        ("F1", theirs.multiclass_f1_score),
    ):
        assert float(ours[f"{kind} {name}"]) == pytest.approx(function(logits, labels, 10, kind).item(), abs=1e-6)


def test_a_class_that_is_never_predicted_has_precision_0(predictions: Evaluation):
    """As scikit-learn counts it with zero_division=0; a class without images has recall 0."""
    part = predictions.subset((predictions.predictions != 6) & (predictions.labels != 1))
    ours = per_class(part.matrix)
    expected = sklearn.precision_recall_fscore_support(part.labels, part.predictions, labels=range(10), zero_division=0)
    assert ours.precision[6] == ours.recall[1] == 0
    assert ours.precision == pytest.approx(expected[0])
    assert ours.recall == pytest.approx(expected[1])


# --- Intervals -----------------------------------------------------------------------------------------------------


def test_bootstrap_over_cells_is_a_bootstrap_over_images(predictions: Evaluation):
    """The quick way gives what drawing images one by one and counting with scikit-learn gives."""
    part = predictions.subset(np.arange(10_000) < 1_000)
    random, macro, shirts = np.random.default_rng(7), [], []
    for _draw in range(300):
        drawn = random.integers(0, 1_000, 1_000)
        f1 = sklearn.f1_score(part.labels[drawn], part.predictions[drawn], average=None)
        macro.append(f1.mean())
        shirts.append(f1[6])
    ours = bootstrap(part.matrix, 4_000)
    assert ours.averages["macro F1"] == pytest.approx(np.quantile(macro, (0.025, 0.975)), abs=0.006)
    assert ours.f1[6] == pytest.approx(np.quantile(shirts, (0.025, 0.975)), abs=0.025)


def test_bootstrap_is_the_same_each_time(predictions: Evaluation):
    """A link shows the same numbers to everybody."""
    assert bootstrap(predictions.matrix).averages == bootstrap(predictions.matrix).averages
    assert bootstrap(predictions.matrix).f1 != bootstrap(predictions.matrix, seed=1).f1


def test_interval_of_a_mean_is_scipys(predictions: Evaluation):
    """The formula for the mean loss agrees with SciPy, and on real losses with a bootstrap, though they are skewed."""
    low, high = mean_interval(predictions.losses)
    error = stats.sem(predictions.losses)
    assert (low, high) == pytest.approx(stats.norm.interval(0.95, predictions.loss, error), rel=1e-6)
    drawn = stats.bootstrap((predictions.losses,), np.mean, n_resamples=500, method="percentile", rng=0, batch=50)
    assert (low, high) == pytest.approx(tuple(drawn.confidence_interval), abs=0.15 * (high - low))
    assert mean_interval(np.array([1.0])) == (-np.inf, np.inf)


# --- Confusion -----------------------------------------------------------------------------------------------------


def test_confused_pairs_are_the_largest_mistakes(predictions: Evaluation):
    """In falling order, with the count that scikit-learn finds in each cell; a network without mistakes has none."""
    matrix = sklearn.confusion_matrix(predictions.labels, predictions.predictions)
    pairs = confused_pairs(predictions.matrix, 5)
    assert [pair.count for pair in pairs] == sorted(matrix[~np.eye(10, dtype=bool)])[::-1][:5]
    assert all(pair.count == matrix[pair.true, pair.predicted] and pair.of == 1_000 for pair in pairs)
    assert confused_pairs(np.diag([3, 4]), 5) == []


def test_similarity_order_is_the_best_of_all(predictions: Evaluation):
    """No order has more confusions between neighbours, counted over all 40,320 orders of eight classes."""
    matrix = predictions.matrix[[0, 1, 2, 4, 5, 6, 7, 9]][:, [0, 1, 2, 4, 5, 6, 7, 9]]
    weights = matrix + matrix.T
    orders = np.fromiter(itertools.chain.from_iterable(itertools.permutations(range(8))), np.int8).reshape(-1, 8)
    sums = np.zeros(len(orders), np.int32)
    for place in range(7):
        sums += weights[orders[:, place], orders[:, place + 1]].astype(np.int32)
    ours = similarity_order(matrix)
    assert sorted(ours) == list(range(8))
    assert ours[0] < ours[-1]
    assert sum(weights[a, b] for a, b in itertools.pairwise(ours)) == sums.max()

"""Calibration and abstaining: against torchmetrics, scikit-learn, SciPy, on real predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn import metrics
from sklearn.calibration import calibration_curve

from fmnist_core.evaluation.calibration import coverage, fit_by_halves, fit_temperature, reliability, scaled
from fmnist_core.evaluation.evaluate import Evaluation


@pytest.fixture(scope="module")
def unsure(predictions: Evaluation) -> Evaluation:
    """The same network, made surer than it should be."""
    return scaled(predictions, 0.4)


@pytest.mark.parametrize("bins", [1, 10, 15, 20])
def test_calibration_error_is_torchmetrics(unsure: Evaluation, bins: int):
    """Equal widths, gaps weighted by images (Guo et al., equation 3)."""
    from torchmetrics.functional.classification import multiclass_calibration_error  # seconds: not for every process

    reference = multiclass_calibration_error(
        torch.tensor(unsure.logits).softmax(1), torch.tensor(unsure.labels).long(), 10, bins, norm="l1"
    )
    assert reliability(unsure, bins).error == pytest.approx(reference.item(), abs=2e-5)
    assert reliability(unsure, bins).error > 0.01


@pytest.mark.parametrize("bins", [10, 15])
def test_reliability_is_scikit_learns(unsure: Evaluation, bins: int):
    """Accuracy and mean confidence of each bin that is not empty."""
    ours = reliability(unsure, bins)
    accuracy, confidence = calibration_curve(unsure.is_right, unsure.confidences.clip(0, 1), n_bins=bins)
    there = ours.count > 0
    assert ours.accuracy[there] == pytest.approx(accuracy)
    assert ours.confidence[there] == pytest.approx(confidence)
    assert ours.count.sum() == 10_000
    for bin_ in np.flatnonzero(there):  # the pictures of a bin are those that it counts
        inside = unsure.confidences[ours.members == bin_]
        assert inside.min() > ours.edges[bin_] - 1e-6
        assert inside.max() <= ours.edges[bin_ + 1] + 1e-6


def test_chance_alone_makes_an_error(predictions: Evaluation):
    """A network that is right exactly as often as it says shows about the error that `error_by_chance` names."""
    random = np.random.default_rng(3)
    errors = []
    for _draw in range(50):
        labels = (random.random((10_000, 1)) > predictions.probabilities.cumsum(1)).sum(1).clip(0, 9)
        errors.append(reliability(Evaluation.from_logits(predictions.logits, labels)).error)
    assert reliability(predictions).error_by_chance() == pytest.approx(np.mean(errors), rel=0.2)


# --- Temperature ---------------------------------------------------------------------------------------------------


def test_fitted_temperature_has_the_lowest_loss(unsure: Evaluation):
    """SciPy's minimiser, with scikit-learn's loss, finds the same; made 0.4 times as warm, it is 1 / 0.4 times as high."""

    def loss(temperature: float) -> float:
        return metrics.log_loss(unsure.labels, softmax(unsure.logits.astype(float) / temperature, axis=1))

    reference = minimize_scalar(loss, bounds=(0.1, 10), method="bounded", options={"xatol": 1e-6}).x
    assert fit_temperature(unsure) == pytest.approx(reference, rel=5e-4)
    assert fit_temperature(unsure) == pytest.approx(fit_temperature(scaled(unsure, 1 / 0.4)) / 0.4, rel=5e-4)


def test_temperature_changes_confidence_but_no_prediction(unsure: Evaluation):
    """Loss and calibration error fall, accuracy and the indices of the images stay."""
    mended = scaled(unsure, fit_temperature(unsure))
    assert np.array_equal(mended.predictions, unsure.predictions)
    assert np.array_equal(mended.indices, unsure.indices)
    assert mended.loss < unsure.loss
    assert reliability(mended).error < reliability(unsure).error
    expected = softmax(unsure.logits.astype(float) / 2.0, axis=1)
    assert scaled(unsure, 2.0).probabilities == pytest.approx(expected, abs=1e-6)


def test_halves_are_judged_with_the_other_halfs_temperature(unsure: Evaluation):
    """No image helps to choose the temperature that it is judged with; in a part of the images neither."""
    part = unsure.subset(np.arange(10_000) % 7 < 3)
    each, (on_even, on_odd) = fit_by_halves(part)
    odd = part.indices % 2 == 1
    assert on_even == fit_temperature(part.subset(~odd))
    assert on_even != on_odd
    assert set(each[odd]) == {on_even}
    assert set(each[~odd]) == {on_odd}
    with pytest.raises(ValueError, match="half"):
        fit_by_halves(part.subset(odd))


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_temperature_must_be_positive(unsure: Evaluation, temperature: float):
    with pytest.raises(ValueError, match="temperature must be above 0"):
        scaled(unsure, temperature)


# --- Not answering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.9, 0.999])
def test_accuracy_of_the_answers_is_scikit_learns(predictions: Evaluation, threshold: float):
    """At the point of a threshold the curve has the coverage and accuracy of exactly the images above it."""
    ours = coverage(predictions)
    answered = predictions.confidences >= threshold
    point = int(answered.sum()) - 1
    assert ours.coverage[point] == answered.mean()
    expected = metrics.accuracy_score(predictions.labels[answered], predictions.predictions[answered])
    assert ours.accuracy[point] == pytest.approx(expected)
    assert ours.confidence[point] >= threshold

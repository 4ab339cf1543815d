"""Labels to doubt: against cleanlab, on real pictures and the predictions of a real classifier."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core.data.dataset import load
from fmnist_core.data.label_doubts import confident_classes, confident_joint, find_doubts


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Of the test pictures."""
    return np.array(load("test").labels)


@pytest.fixture(scope="module")
def probabilities() -> np.ndarray:
    """Of the test pictures, by least squares on 10,000 training pictures, made probabilities with a softmax."""
    train, test = load("train"), load("test")
    pixels = train.images[:10_000].reshape(-1, 784) / 255.0
    wanted = np.eye(10)[train.labels[:10_000]]
    weights = np.linalg.solve(pixels.T @ pixels + np.eye(784), pixels.T @ wanted)
    scores = np.exp(8 * (test.images.reshape(-1, 784) / 255.0) @ weights)
    return scores / scores.sum(axis=1, keepdims=True)


def test_the_classifier_is_worth_asking(labels: np.ndarray, probabilities: np.ndarray):
    """It is right on three pictures of four, so its doubts mean something."""
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.75


def test_confident_joint_is_cleanlabs(labels: np.ndarray, probabilities: np.ndarray):
    """Equation 1, picture by picture counted."""
    from cleanlab.count import compute_confident_joint  # a second: not for every process

    ours = confident_joint(labels, confident_classes(labels, probabilities))
    theirs = compute_confident_joint(labels.astype(int), probabilities, calibrate=False)
    assert np.array_equal(ours + np.diag(np.diag(theirs) - np.diag(ours)), theirs)  # cleanlab fills empty diagonals up
    assert np.array_equal(np.diag(ours), np.diag(theirs))


def test_joint_is_cleanlabs(labels: np.ndarray, probabilities: np.ndarray):
    """Equation 3: what share of all pictures has label i and is of class j. (Theirs is rounded to whole pictures.)"""
    from cleanlab.count import estimate_joint

    ours = find_doubts(labels, probabilities).joint
    theirs = estimate_joint(labels.astype(int), probabilities)
    assert ours == pytest.approx(theirs, abs=1e-4)


def test_doubtful_labels_are_cleanlabs(labels: np.ndarray, probabilities: np.ndarray):
    """The same pictures, in the same order: the least probable label first."""
    from cleanlab.filter import find_label_issues

    ours = find_doubts(labels, probabilities)
    theirs = find_label_issues(
        labels.astype(int),
        probabilities,
        return_indices_ranked_by="self_confidence",
        filter_by="confident_learning",
        n_jobs=1,
    )
    assert len(ours.indices) > 100
    assert set(ours.indices.tolist()) == set(theirs.tolist())
    assert ours.given_probability == pytest.approx(probabilities[theirs, labels[theirs]])


def test_exchanged_labels_are_found(labels: np.ndarray, probabilities: np.ndarray):
    """Of 100 sandals labelled trousers on purpose, two of three are doubted, and "Sandal" is suggested."""
    sandals = np.flatnonzero(labels == 5)[:100]
    wrong = labels.copy()
    wrong[sandals] = 1
    doubts = find_doubts(wrong, probabilities)
    found = np.isin(doubts.indices, sandals)
    assert found.sum() > 66
    assert (doubts.suggested[found] == 5).mean() > 0.9


def test_a_class_without_pictures_is_refused(labels: np.ndarray, probabilities: np.ndarray):
    """There is no threshold for it."""
    few = labels < 9
    with pytest.raises(ValueError, match="all ten classes"):
        find_doubts(labels[few], probabilities[few])

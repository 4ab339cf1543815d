"""Counting: against scikit-learn, SciPy and the notebook's own test loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest
from sklearn import metrics
from torch import nn

from fmnist_core.data import dataset
from fmnist_core.data.dataset import CLASSES, load, tutorial_loader
from fmnist_core.evaluation.comparison import difference
from fmnist_core.evaluation.evaluate import Evaluation, as_input, evaluate, tutorial_report, wilson
from fmnist_core.evaluation.score import Score
from fmnist_core.networks.net import Net


@pytest.fixture(scope="module")
def net() -> Net:
    """The tutorial's network with fixed weights, in training mode."""
    torch.manual_seed(0)
    return Net()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """1,000 test images, uint8."""
    return torch.tensor(load("test").images[:1000])


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Their labels."""
    return np.array(load("test").labels[:1000])


def made_up(n: int = 2000, seed: int = 0) -> Evaluation:
    labels = np.random.default_rng(99).integers(0, 10, n)
    return Evaluation.from_logits(np.random.default_rng(seed).normal(size=(n, 10)) * 3.0, labels)


# --- Counting ------------------------------------------------------------------------------------------------------


def test_figures_are_scikit_learns():
    """Accuracy, confusion matrix and loss agree with an independent implementation."""
    ours = made_up()
    assert ours.accuracy == pytest.approx(metrics.accuracy_score(ours.labels, ours.predictions), rel=1e-12)
    assert np.array_equal(ours.matrix, metrics.confusion_matrix(ours.labels, ours.predictions, labels=range(10)))
    probabilities = softmax(ours.logits.astype(np.float64), axis=1)
    assert ours.loss == pytest.approx(metrics.log_loss(ours.labels, probabilities, labels=range(10)), rel=1e-9)
    recall = metrics.recall_score(ours.labels, ours.predictions, average=None)
    assert ours.correct / ours.total == pytest.approx(recall)


def test_losses_and_probabilities_are_torchs():
    """Each image's loss and probabilities are those of `cross_entropy` and `softmax`."""
    ours = made_up()
    logits, labels = torch.tensor(ours.logits), torch.tensor(ours.labels).long()
    theirs = nn.functional.cross_entropy(logits.double(), labels, reduction="none").numpy()
    assert ours.losses == pytest.approx(theirs, rel=1e-9, abs=1e-12)
    assert ours.probabilities == pytest.approx(logits.softmax(1).numpy(), abs=1e-6)
    assert ours.probabilities.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_extreme_logits_give_finite_losses():
    """A network that is very sure, and wrong, has a large loss, not an infinite one."""
    logits = np.zeros((2, 10), np.float32)
    logits[:, 0] = 1e6
    ours = Evaluation.from_logits(logits, [0, 1])
    assert ours.losses == pytest.approx(-log_softmax(logits.astype(np.float64), axis=1)[[0, 1], [0, 1]])
    assert ours.losses.tolist() == [0.0, 1e6]


def test_the_same_score_for_all_classes_is_ln_10():
    """A network that cannot decide has the loss ln 10 and predicts the first class."""
    ours = Evaluation.from_logits(np.zeros((20, 10)), np.arange(20) % 10)
    assert ours.loss == pytest.approx(np.log(10))
    assert ours.predictions.tolist() == [0] * 20
    assert ours.accuracy == 0.1


def test_score_keeps_the_figures():
    """What a run records says the same as the evaluation that it comes from."""
    ours = made_up()
    assert ours.score.accuracy == ours.accuracy
    assert ours.score.loss == ours.loss
    assert ours.score.total == tuple(np.bincount(ours.labels, minlength=10))


def test_a_class_without_images_counts_as_none():
    """Counts are per class of the data set, also where a class does not occur."""
    ours = Evaluation.from_logits(np.eye(10)[:3], [0, 1, 2])
    assert ours.score.total == (1, 1, 1, 0, 0, 0, 0, 0, 0, 0)
    assert ours.accuracy == 1.0


@pytest.mark.parametrize(("logits", "labels"), [((5, 9), 5), ((5, 10), 4), ((10,), 10)])
def test_shapes_that_do_not_fit_are_refused(logits: tuple[int, ...], labels: int):
    """Nine classes, a label too few, logits of one image: an error that names both shapes."""
    with pytest.raises(ValueError, match=r"need logits \(N, 10\) and labels \(N,\), got"):
        Evaluation.from_logits(np.zeros(logits), np.zeros(labels))


def test_a_subset_counts_only_its_images_and_knows_which_they_are():
    """Figures are those of the images that are left; `indices` still name them in the whole split, twice over too."""
    whole = made_up()
    mask = np.random.default_rng(1).random(len(whole.labels)) < 0.3
    part = whole.subset(mask)
    assert part.indices.tolist() == np.flatnonzero(mask).tolist()
    assert part.accuracy == pytest.approx(metrics.accuracy_score(whole.labels[mask], whole.predictions[mask]))
    assert part.loss == pytest.approx(whole.losses[mask].mean())
    again = part.subset(part.predictions != part.labels)
    assert again.indices.tolist() == np.flatnonzero(mask & (whole.predictions != whole.labels)).tolist()
    assert again.accuracy == 0.0


def test_differences_within_a_subset_name_the_images_of_the_whole():
    """So that a picture behind a difference is the right one; and two subsets of other images are not compared."""
    first, second = made_up(), made_up(seed=1)
    mask = np.arange(len(first.labels)) % 3 == 1
    apart = difference(first.subset(mask), second.subset(mask))
    assert len(apart.only_first) > 0
    assert set(apart.only_first.tolist()) == {i for i in difference(first, second).only_first.tolist() if i % 3 == 1}
    with pytest.raises(ValueError, match="not of the same images"):
        difference(first.subset(mask), second.subset(np.roll(mask, 1)))


@pytest.mark.parametrize("mask", [np.ones(1999, bool), np.zeros(2000, bool)])
def test_a_mask_that_fits_nothing_is_refused(mask: np.ndarray):
    """Too short, or no image left: an error that says what was needed."""
    with pytest.raises(ValueError, match=r"need a mask \(2000,\) that leaves an image"):
        made_up().subset(mask)


# --- Intervals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("correct", "total"), [(0, 10), (1, 10), (10, 10), (81, 263), (835, 1000), (8350, 10000), (0, 1), (1, 1)]
)
def test_wilson_is_scipys(correct: int, total: int):
    """The interval agrees with SciPy's, at both ends of the scale too."""
    theirs = binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert wilson(correct, total) == pytest.approx((theirs.low, theirs.high), abs=1e-7)


def test_wilson_is_the_published_example():
    """Newcombe, 1998, "Two-sided confidence intervals for the single proportion", table I: 81 of 263."""
    assert [round(end, 4) for end in wilson(81, 263)] == [0.2553, 0.3662]


def test_wilson_holds_the_true_accuracy_95_times_in_100():
    """Drawn 20,000 times, the interval holds the true value about as often as it promises."""
    drawn = np.random.default_rng(0).binomial(200, 0.8, 20_000)
    intervals = {correct: wilson(correct, 200) for correct in set(drawn.tolist())}
    held = np.mean([intervals[correct][0] <= 0.8 <= intervals[correct][1] for correct in drawn.tolist()])
    assert held == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(("correct", "total"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_what_cannot_be(correct: int, total: int):
    """More right than there are, or none at all, is an error that names both numbers."""
    with pytest.raises(ValueError, match=f"got {correct} of {total}"):
        wilson(correct, total)


# --- Running a network ---------------------------------------------------------------------------------------------


def test_evaluate_is_the_notebooks_test_loop(net: Net):
    """Loss and counts per class on all 10,000 test images are those of the tutorial's loop."""
    criterion, test_loss = nn.CrossEntropyLoss(), 0.0
    class_correct, class_total = [0] * 10, [0] * 10
    net.eval()
    with torch.no_grad():
        for inputs, labels in tutorial_loader("test", shuffle=False):
            outputs = net(inputs)
            test_loss += criterion(outputs, labels).item() * inputs.size(0)
            for label, right in zip(labels.tolist(), (outputs.argmax(1) == labels).tolist(), strict=True):
                class_correct[label] += right
                class_total[label] += 1
    net.train()
    test = load("test")
    ours = evaluate(net, torch.tensor(test.images), test.labels).score
    assert ours.loss == pytest.approx(test_loss / 10_000, rel=1e-6)
    assert ours.correct == tuple(class_correct)
    assert ours.total == tuple(class_total)


def test_evaluate_leaves_every_layer_in_its_mode(net: Net, images: torch.Tensor, labels: np.ndarray):
    """A network that is partly in training mode comes back exactly so."""
    net.train()
    net.conv1.eval()
    evaluate(net, images, labels)
    assert {name for name, module in net.named_modules() if not module.training} == {"conv1"}
    net.train()


def test_evaluate_restores_the_mode_after_an_error(net: Net):
    """Also where the images do not fit the network."""
    net.train()
    with pytest.raises(RuntimeError):
        evaluate(net, torch.zeros(4, 1, 9, 9), np.zeros(4))
    assert all(module.training for module in net.modules())


def test_evaluate_records_no_gradient(net: Net, images: torch.Tensor, labels: np.ndarray):
    """While it runs nothing is kept for a backward pass, and afterwards gradients are as they were."""
    recording: list[bool] = []
    hook = net.register_forward_hook(lambda _net, _input, output: recording.append(output.requires_grad))
    before = [parameter.grad for parameter in net.parameters()]
    try:
        evaluate(net, images, labels)
    finally:
        hook.remove()
    assert recording
    assert not any(recording)
    assert all(a.grad is b for a, b in zip(net.parameters(), before, strict=True))
    assert torch.is_grad_enabled()


def test_evaluate_is_free_of_dropout(net: Net, images: torch.Tensor, labels: np.ndarray):
    """In training mode the logits would differ each time; and no random number is drawn."""
    net.train()
    state = torch.get_rng_state()
    first, second = evaluate(net, images, labels), evaluate(net, images, labels)
    assert np.array_equal(first.logits, second.logits)
    assert torch.equal(torch.get_rng_state(), state)


def test_evaluate_does_not_depend_on_the_batch_size(net: Net, images: torch.Tensor, labels: np.ndarray):
    """One image at a time gives the logits of all at once, to the accuracy of float32."""
    whole = evaluate(net, images, labels, batch_size=1000).logits
    for size in (1, 7, 200):
        assert evaluate(net, images, labels, batch_size=size).logits == pytest.approx(whole, abs=1e-5)


def test_images_may_be_scaled_already(net: Net, images: torch.Tensor, labels: np.ndarray):
    """Bytes, and the floats in [0, 1] that `ToTensor` makes of them, give the same logits."""
    scaled = images.unsqueeze(1) / 255
    assert np.array_equal(evaluate(net, scaled, labels).logits, evaluate(net, images, labels).logits)


def test_as_input_is_to_tensor(images: torch.Tensor):
    """Every byte becomes the very float32 that torchvision's `ToTensor` makes of it."""
    from torchvision.transforms import ToTensor

    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    assert torch.equal(as_input(torch.tensor(values))[0], ToTensor()(values[0]))
    assert as_input(images).shape == (1000, 1, 28, 28)
    assert images.dtype == torch.uint8


# --- Words ---------------------------------------------------------------------------------------------------------


def test_report_is_what_the_tutorial_prints():
    """Line for line as the notebook's print statements give it; percentages are cut, not rounded, as `%2d` does."""
    score = Score(0.3519, (829, 975, 780, 905, 823, 966, 5, 941, 980, 1000), (1000,) * 10)
    expected = "Test Loss: {:.6f}\n\n".format(score.loss)  # noqa: UP032 - as the notebook writes it
    for name, right, total in zip(dataset.CLASSES, score.correct, score.total, strict=True):
        expected += "Test Accuracy of %5s: %2d%% (%2d/%2d)\n" % (name, 100 * right / total, right, total)  # noqa: UP031
    right, total = sum(score.correct), sum(score.total)
    expected += "\nTest Accuracy (Overall): %2d%% (%2d/%2d)" % (100 * right / total, right, total)  # noqa: UP031
    assert tutorial_report(score) == expected
    assert "Test Accuracy of Shirt:  0% ( 5/1000)" in expected
    assert len(CLASSES) == 10

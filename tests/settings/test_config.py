"""What training does with its settings: images held out, a step limit, losses, augmentation, the mirror image."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss

from fmnist_core.data.augmentation import augmented, changes
from fmnist_core.data.dataset import epoch_order, held_out
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training import loop
from fmnist_core.training.events import Event, Logits, Losses, Measured, Started
from fmnist_core.training.loop import batches, train
from fmnist_core.training.measuring import measure
from fmnist_core.training.state import TrainingData, TrainingState


@pytest.fixture(scope="module")
def little() -> TrainingData:
    """1,000 real images to train on and 300 to test on."""
    data = TrainingData.load(torch.device("cpu"))
    return TrainingData(data.images[:1000], data.labels[:1000], data.test_images[:300], data.test_labels[:300])


def on_cpu(**settings: object) -> TrainingConfig:
    return TrainingConfig.from_dict({"device": "cpu", **settings})


def told(events: Iterable[Event]) -> list[float]:
    """The loss of every step."""
    return [loss for event in events if isinstance(event, Losses) for loss in event.losses]


@pytest.mark.parametrize(("validation", "fold"), [(100, 0), (100, 9), (300, 1)])
def test_images_held_out_are_never_trained_on(little: TrainingData, validation: int, fold: int):
    """Two epochs show each of the others twice, none of the block that is held out."""
    numbered = TrainingData(little.images, torch.arange(1000), little.test_images, little.test_labels)
    config = on_cpu(batch_size=96, validation=validation, fold=fold, shift=1)
    seen = torch.cat([labels for epoch in (0, 1) for _, labels in batches(numbered, config, epoch)])
    counts = torch.bincount(seen, minlength=1000)
    block = held_out(validation, fold)
    assert block.tolist() == list(range(fold * validation, (fold + 1) * validation))
    assert counts[block].sum() == 0
    assert sorted(set(counts.tolist())) == [0, 2]
    assert (counts == 2).sum() == 1000 - validation


def test_images_held_out_are_measured_apart(little: TrainingData):
    """Their score is that of their own logits; the training score is of images that are trained on."""
    config = on_cpu(batch_size=96, epochs=1, validation=200, fold=2)
    events = list(train(TrainingState.new(config), little))
    assert isinstance(events[0], Started)
    assert (events[0].steps_per_epoch, events[0].steps) == (9, 9)  # 800 images
    logits, last = events[-2:]
    assert isinstance(logits, Logits)
    assert isinstance(last, Measured)
    assert last.validation is not None
    assert logits.validation is not None
    labels = little.labels.numpy()[400:600]
    assert last.validation == Evaluation.from_logits(logits.validation, labels).score
    assert sum(last.validation.total) == 200
    kept = np.delete(little.labels.numpy(), np.arange(400, 600))[:300]
    assert last.train.total == tuple(np.bincount(kept, minlength=10))
    plain = next(e for e in train(TrainingState.new(on_cpu()), little) if isinstance(e, Measured))
    assert plain.validation is None


def test_holding_everything_out_is_refused(little: TrainingData):
    """There must be something to train on."""
    with pytest.raises(ValueError, match=r"validation must leave images to train on, got 1,000 of 1,000"):
        next(batches(little, on_cpu(validation=1000), 0))


def test_a_step_limit_ends_within_an_epoch(little: TrainingData):
    """Half an epoch: as many updates as asked for, the first of the whole epoch's, and measured at the end."""
    config = on_cpu(batch_size=96, epochs=3, step_limit=16)
    state = TrainingState.new(config)
    events = list(train(state, little))
    assert state.step == 16
    assert [(e.step, e.epoch) for e in events if isinstance(e, Measured)] == [(0, 0), (11, 1), (16, 1 + 5 / 11)]
    assert told(events) == told(train(TrainingState.new(on_cpu(batch_size=96, epochs=3)), little))[:16]


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_one_vs_rest_asks_ten_separate_questions(smoothing: float):
    """The loss is the sum of ten logistic losses, class against all others: scikit-learn's log_loss of each."""
    logits, labels = torch.randn(50, 10), torch.randint(10, (50,))
    config = on_cpu(loss="one-vs-rest", label_smoothing=smoothing)
    chances = 1 / (1 + np.exp(-logits.double().numpy()))
    wanted = np.eye(10)[labels] * (1 - smoothing) + smoothing / 10
    expected = -(wanted * np.log(chances) + (1 - wanted) * np.log(1 - chances)).sum(1).mean()
    assert loop.mean_loss(config, logits, labels).item() == pytest.approx(expected, rel=1e-5)
    if not smoothing:
        each = [log_loss(labels == k, chances[:, k], labels=[False, True]) for k in range(10)]
        assert expected == pytest.approx(sum(each))


def test_training_sees_augmented_and_standardised_pictures(little: TrainingData):
    """The batches are the pictures that `augmented` shows, scaled and standardised."""
    config = on_cpu(batch_size=96, shift=2, flip=True, erase=6, standardise=True, seed=5)
    order = epoch_order(1000, 5, 1)
    for number, (inputs, _) in enumerate(batches(little, config, epoch=1)):
        some = order[number * 96 : (number + 1) * 96]
        pictures = augmented(little.images.numpy()[some], changes(config, len(some), 1, number))
        np.testing.assert_allclose(inputs[:, 0].numpy(), (pictures / 255 - 0.2860) / 0.3530, atol=1e-5)
    skipped = next(batches(little, config, epoch=1, skip=10))[0]
    assert torch.equal(skipped, inputs)


def test_flip_test_averages_a_picture_and_its_mirror_image(little: TrainingData):
    """The logits that are kept are the mean of both."""
    state = TrainingState.new(on_cpu(flip_test=True, standardise=True))
    logits, _ = measure(state, little)
    images = (little.test_images[:, None] / 255 - 0.2860) / 0.3530
    state.net.eval()
    with torch.no_grad():
        expected = (state.net(images) + state.net(images.flip(-1))) / 2
    np.testing.assert_allclose(logits.test, expected.numpy(), atol=1e-5)

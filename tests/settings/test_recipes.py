"""Settings: the tutorial's by default, and refused where they enter when they make no sense."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from fmnist_core.evaluation.references import named
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Whole
from fmnist_core.settings.recipes import RECIPES


def test_defaults_are_the_tutorials():
    """Batch size 20, SGD with momentum 0.9 at a learning rate of 0.001, dropout 0.4, widths 10, 20 and 50."""
    config = RECIPES["tutorial"].config
    assert config == TrainingConfig()
    assert (config.batch_size, config.optimizer, config.learning_rate, config.momentum) == (20, "sgd", 0.001, 0.9)
    assert (config.dropout, config.conv1_channels, config.conv2_channels, config.hidden_units) == (0.4, 10, 20, 50)


REFUSED = [
    ("learning_rate", 0),
    ("learning_rate", -0.1),
    ("learning_rate", math.nan),
    ("learning_rate", math.inf),
    ("learning_rate", 10.001),
    ("learning_rate", 10**400),
    ("learning_rate", "0.1"),
    ("learning_rate", True),
    ("learning_rate", None),
    ("momentum", -0.01),
    ("momentum", 1),
    ("momentum", 1.0),
    ("momentum", math.nan),
    ("momentum", "0.9"),
    ("dropout", -0.1),
    ("dropout", 1.0),
    ("dropout", math.inf),
    ("epochs", 0),
    ("epochs", -1),
    ("epochs", 201),
    ("epochs", 1.5),
    ("epochs", 2.0),
    ("epochs", True),
    ("epochs", "3"),
    ("batch_size", 0),
    ("batch_size", -20),
    ("batch_size", 60_001),
    ("batch_size", 20.5),
    ("batch_size", None),
    ("seed", -1),
    ("seed", 2**32),
    ("seed", 0.0),
    ("conv1_channels", 0),
    ("conv2_channels", 257),
    ("hidden_units", 0),
    ("hidden_units", 2049),
    ("optimizer", "rmsprop"),
    ("optimizer", ""),
    ("optimizer", None),
    ("optimizer", ["sgd"]),
    ("device", "tpu"),
    ("device", "cuda:1"),
    ("architecture", "resnet"),
    ("step_limit", -1),
    ("step_limit", 10.0),
    ("schedule", "linear"),
    ("loss", "hinge"),
    ("weight_decay", -1e-9),
    ("weight_decay", 1),
    ("weight_decay", math.nan),
    ("label_smoothing", 1.0),
    ("label_smoothing", "0.1"),
    ("shift", 5),
    ("shift", True),
    ("erase", 15),
    ("erase", 3.5),
    ("flip", 1),
    ("flip", "True"),
    ("standardise", None),
    ("flip_test", 0),
    ("validation", 30_001),
    ("validation", -1),
    ("fold", 100),
]


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=[f"{name}={value!r:.12}" for name, value in REFUSED])
def test_a_value_out_of_range_is_refused(name: str, value: object):
    """The error names the setting, what it may be and what was given."""
    with pytest.raises(ValueError, match=rf"^{name} must be .*, got ") as error:
        TrainingConfig(**{name: value})
    assert repr(value) in str(error.value)
    with pytest.raises(ValueError, match=rf"^{name} must be "):
        TrainingConfig.from_dict({name: value})


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if isinstance(setting.range, Whole)])
def test_both_ends_of_a_range_are_allowed(name: str):
    """The lowest and the highest value are settings; one beyond is not."""
    range_ = SETTINGS[name].range
    assert isinstance(range_, Whole)
    low, high = range_.low, range_.high
    for value in (low, high):
        assert getattr(TrainingConfig(**{name: value}), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"from {low:,} to {high:,}, got {value}"):
            TrainingConfig(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"), [("learning_rate", 10), ("learning_rate", 1e-9), ("momentum", 0), ("dropout", 0.999)]
)
def test_values_at_the_edge_are_allowed(name: str, value: float):
    """The ranges hold what they say that they hold; a whole number is a number."""
    assert getattr(TrainingConfig(**{name: value}), name) == value


def test_every_setting_survives_json():
    """What is written into a run's folder and read again is the same settings."""
    config = TrainingConfig(
        batch_size=64, epochs=3, learning_rate=0.1 + 0.2, momentum=0.5, optimizer="adam", dropout=0.1, seed=2**32 - 1,
        device="cpu", conv1_channels=5, conv2_channels=6, hidden_units=7, step_limit=99, schedule="one-cycle",
        weight_decay=5e-4, loss="one-vs-rest", label_smoothing=0.1, architecture="residual", standardise=True, shift=2,
        flip=True, erase=8, flip_test=True, validation=10_000, fold=5,
    )  # fmt: skip
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert set(config.to_dict()) == {field.name for field in dataclasses.fields(TrainingConfig)}


def test_settings_written_by_an_older_version_are_read():
    """A run's folder from before there were schedules, augmentation and the rest: what is missing is the tutorial's."""
    old = {
        "batch_size": 64, "epochs": 2, "learning_rate": 0.01, "momentum": 0.9, "optimizer": "adam", "dropout": 0.4, "seed": 3,
        "device": "auto", "architecture": "net", "conv1_channels": 10, "conv2_channels": 20, "hidden_units": 50,
    }  # fmt: skip
    config = TrainingConfig.from_dict(old)
    assert config == TrainingConfig(batch_size=64, epochs=2, learning_rate=0.01, optimizer="adam", seed=3)
    assert (config.schedule, config.weight_decay, config.label_smoothing, config.loss) == (
        "constant",
        0,
        0,
        "cross-entropy",
    )
    assert not any((config.shift, config.flip, config.erase, config.standardise, config.validation, config.flip_test))


def test_settings_that_do_not_fit_together_are_refused():
    """Nesterov looks ahead along its momentum, so there must be some; a fold must lie within the training images."""
    with pytest.raises(ValueError, match=r"^momentum must be above 0 for the optimizer nesterov, got 0"):
        TrainingConfig(optimizer="nesterov", momentum=0)
    assert TrainingConfig(validation=10_000, fold=5).fold == 5
    with pytest.raises(ValueError, match=r"^fold must be below 6, .* blocks of 10,000 images, got 6"):
        TrainingConfig(validation=10_000, fold=6)


def test_an_unknown_key_is_refused():
    """A misspelt setting is not silently left out: the error names it and what there is."""
    with pytest.raises(ValueError, match=r"unknown setting 'lr': there are .*learning_rate"):
        TrainingConfig.from_dict({"lr": 0.1})


@pytest.mark.parametrize("values", [None, [], "epochs", 3])
def test_what_is_no_object_is_refused(values: object):
    """JSON that is not an object is named by its type."""
    with pytest.raises(ValueError, match=f"must be a JSON object, got {type(values).__name__}"):
        TrainingConfig.from_dict(values)


def test_settings_cannot_be_changed():
    """A run's settings are what they were when it started."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingConfig().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(("batch_size", "steps"), [(20, 3000), (60_000, 1), (256, 235), (1, 60_000)])
def test_steps_per_epoch_count_the_smaller_last_batch(batch_size: int, steps: int):
    """235 batches of 256: the last has 96 images."""
    assert TrainingConfig(batch_size=batch_size).steps_per_epoch == steps


def test_the_steps_of_a_run_follow_from_epochs_limit_and_images_held_out():
    """50,000 images in batches of 100 are 500 steps; a limit beyond the last epoch changes nothing."""
    config = TrainingConfig(batch_size=100, epochs=3, validation=10_000)
    assert (config.training_images, config.steps_per_epoch, config.total_steps) == (50_000, 500, 1500)
    assert dataclasses.replace(config, step_limit=700).total_steps == 700
    assert dataclasses.replace(config, step_limit=2000).total_steps == 1500


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_teaches(name: str):
    """Each can be shown with a title and one or two sentences; a published figure comes with its source."""
    recipe = RECIPES[name]
    assert recipe.title
    assert recipe.teaches.endswith(".")
    if recipe.published:
        assert 0.5 < named(recipe.published).accuracy < 1
        assert named(recipe.published).source.startswith("https://")

"""Settings that no run can have, a learning rate that is too high, a device that is too small or not there.

The same button clicked twice: tests/pages/test_train.py. A port that is taken: tests/test_make.py.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from fmnist_core.runs.files.record import State
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Diverged, Losses
from tests.runs.lab import SMALL, Lab, events, wait_until

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        *(
            ({"learning_rate": value}, f"learning_rate must be above 0 and at most 10, got {value!r}")
            for value in (0, -0.1, NAN, INF, -INF, 10.5, True, "0.1", None)
        ),
        *(
            ({"momentum": value}, f"momentum must be at least 0 and below 1, got {value!r}")
            for value in (-0.1, 1, 1.0, NAN, INF, None)
        ),
        *(
            ({"dropout": value}, f"dropout must be at least 0 and below 1, got {value!r}")
            for value in (-0.1, 1, NAN, "0.4")
        ),
        *(
            ({"epochs": value}, f"epochs must be a whole number from 1 to 200, got {value!r}")
            for value in (0, -1, 201, 1.0, 1.5, NAN, True, "1", None)
        ),
        *(
            ({"batch_size": value}, f"batch_size must be a whole number from 1 to 60,000, got {value!r}")
            for value in (0, -20, 60_001, 20.0, 0.5, 10**30, "20")
        ),
        (
            {"architecture": "resnet"},
            "architecture must be one of net, linear, perceptron, residual, deep, wide, got 'resnet'",
        ),
        ({"optimizer": "rmsprop"}, "optimizer must be one of sgd, nesterov, adam, muon, got 'rmsprop'"),
        ({"device": "tpu"}, "device must be one of auto, cuda, mps, cpu, got 'tpu'"),
        ({"seed": -1}, "seed must be a whole number from 0 to 4,294,967,295, got -1"),
    ],
    ids=str,
)
def test_out_of_range(settings: dict[str, object], sentence: str):
    """A setting out of its range never becomes a run's: the sentence names the value and the range."""
    with pytest.raises(ValueError, match=r".") as error:
        TrainingConfig.from_dict(settings)
    assert str(error.value) == sentence


def test_unknown_setting():
    """A key that is no setting is refused, and those that are one are named."""
    with pytest.raises(ValueError, match=r"^unknown setting 'lr': there are architecture, batch_size, .*, seed, .*$"):
        TrainingConfig.from_dict({"epochs": 1, "lr": 0.1})


@pytest.mark.parametrize("settings", [{"learning_rate": 10}, {"momentum": 0}, {"epochs": 200}, {"batch_size": 60_000}])
def test_the_ends_of_the_ranges(settings: dict[str, object]):
    """The named limits belong to the range; settings come back from JSON as they were."""
    config = TrainingConfig.from_dict(settings)
    assert TrainingConfig.from_dict(config.to_dict()) == config


@pytest.mark.slow
def test_diverged(lab: Lab):
    """At learning rate 10 the loss stops being a number: the run ends, names step and rate, keeps finite weights only."""
    wide = replace(SMALL, batch_size=20, dropout=0.0, conv1_channels=64, conv2_channels=64, hidden_units=256)
    run = lab.start(replace(wide, learning_rate=10.0))  # a narrow one only stops learning
    diverged = lab.wait(run, State.DIVERGED)
    (event,) = events(run, Diverged)
    assert isinstance(event, Diverged)
    assert not math.isfinite(event.loss)
    assert event.step == len(run.losses()) + 1 == diverged.step + 1
    assert all(math.isfinite(loss) for losses in events(run, Losses) for loss in losses.losses)
    became = "became infinite" if math.isinf(event.loss) else "was no longer a number"
    assert diverged.reason == (f"The loss {became} in step {event.step:,} at learning rate 10: try a smaller one.")
    assert events(run)[-1] == event
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert all(tensor.isfinite().all() for tensor in checkpoint[0].values() if tensor.is_floating_point())
    assert checkpoint[1] < event.step


@pytest.mark.thorough
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_device_that_is_not_there(lab: Lab):
    """A run for a device that is not there has failed, and names those that are; the next run has its turn."""
    run = lab.start(replace(SMALL, device="cuda"))
    assert lab.wait(run, State.FAILED).reason == "This machine has no device 'cuda', only cpu."
    after = lab.start(SMALL)
    assert lab.wait(after, State.FINISHED).step == 100


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_cuda_out_of_memory(own_lab: Lab):
    """A run that does not fit on the GPU has failed with advice; its worker has ended, so that the GPU is free again."""
    free, _total = torch.cuda.mem_get_info()
    filler = torch.empty(max(0, free - 1_000_000_000), dtype=torch.uint8, device="cuda")  # leave 1 GB
    run = own_lab.start(TrainingConfig(device="cuda", batch_size=60_000, conv1_channels=256, conv2_channels=256))
    failed = own_lab.wait(run, State.FAILED)
    assert failed.reason == "The device ran out of memory: start again with a smaller batch size."
    wait_until(lambda: (lock := run.lock()) and (lock.close() or True))
    del filler
    torch.cuda.empty_cache()
    after = own_lab.start(replace(SMALL, device="cuda"))
    own_lab.wait(after, State.FINISHED)

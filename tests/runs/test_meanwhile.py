"""Predictions that are computed while a run trains: the same as afterwards, within their share of the time."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.service import meanwhile, predictions
from fmnist_core.runs.service.meanwhile import Meanwhile
from fmnist_core.runs.service.predictions import develop_all
from fmnist_core.training.compiled import engine, library
from fmnist_core.training.state import TrainingData, TrainingState
from tests.runs.by_hand import BRIEF, create, die, rerun, work

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")


@pytest.fixture(autouse=True)
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(map(shutil.which, library.COMPILERS)):
        pytest.skip("no C compiler: predictions are computed when training is over")
    monkeypatch.setenv("FMNIST_COMPILED", "1")
    assert engine.prepare()
    monkeypatch.setattr(predictions, "give_way", lambda: None)


def kept(run: RunFolder) -> dict[int, bytes]:
    return {step: run.logits(step).tobytes() for step in run.logit_steps()}


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_same_as_afterwards(little: TrainingData, monkeypatch: pytest.MonkeyPatch, optimizer: str):
    """With all the time that it takes, some moments are there when training ends; the rest follows; no bit is different."""
    config = replace(BRIEF, optimizer=optimizer)
    monkeypatch.setattr(meanwhile, "SHARE", 0.0)
    after = create(config)
    work(after, little)
    assert after.logit_steps() == [0, 10, 20, 30], "only what was measured"
    monkeypatch.setattr(meanwhile, "SHARE", 1e9)
    while_training = create(config)
    work(while_training, little)
    early = kept(while_training)
    assert len(early) > 8
    develop_all(client.runs_folder(), little, lambda: False)
    assert kept(after) == kept(while_training)
    assert early.items() <= kept(after).items()
    assert while_training.snapshots.is_developed


def test_killed_in_between(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """A worker that dies leaves predictions of steps that no one trains again; the next one goes on with the others."""
    monkeypatch.setattr(meanwhile, "SHARE", 1e9)
    undisturbed, run = create(), create()
    work(undisturbed, little)
    work(run, little, {15: die})
    checkpoint = run.read_checkpoint()
    assert checkpoint
    assert max(run.logit_steps()) <= checkpoint[1]
    rerun(run)
    work(run, little)
    develop_all(client.runs_folder(), little, lambda: False)
    assert kept(run) == kept(undisturbed)
    assert run.losses().tobytes() == undisturbed.losses().tobytes()


def test_a_tenth_of_the_time(little: TrainingData):
    """However long training takes, no more than a tenth of it goes into predictions, and what is done is spread."""
    run, state = create(), TrainingState.new(BRIEF)
    ahead = Meanwhile.of(run, state, little)
    assert ahead
    weights = {name: tensor.numpy() for name, tensor in state.net.state_dict().items()}
    ahead.add(dict.fromkeys(range(30), weights))
    ahead.look(0.0, 0.0)
    ahead.look(60.0, 6.0)
    assert not ahead.done, "keeping the weights has taken that tenth"
    done = []
    for seconds in np.linspace(0.0, 60.0, 600):
        ahead.look(seconds, 0.0)
        done.append(sorted(ahead.done))
        assert ahead.spent - ahead.cost <= 0.1 * seconds, "the last one is not known before it is done"
    assert done[-1] == list(range(30))
    assert max(np.diff([0, *next(steps for steps in done if len(steps) >= 5), 29])) <= 15


def test_not_where_it_is_slow(little: TrainingData, monkeypatch: pytest.MonkeyPatch):
    """Where nothing is compiled, and for larger networks, predictions wait until training is over."""
    residual = TrainingState.new(replace(BRIEF, architecture="residual"))
    assert Meanwhile.of(create(), residual, little) is None
    monkeypatch.setenv("FMNIST_COMPILED", "0")
    assert Meanwhile.of(create(), TrainingState.new(BRIEF), little) is None

"""A network changed by hand and trained on: a branch that begins with exactly those weights, and remembers what was done."""

from __future__ import annotations

import numpy as np
import pytest

from fmnist_core.runs import client
from fmnist_core.runs.branching import RunRefused
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.files.record import State
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import create, work
from tests.runs.lab import recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

EDITS = "mute:conv1:1;quantise:4"


def test_a_branch_begins_with_the_edited_weights(little: TrainingData):
    """Its first weights are the parent's after the edits, it trains on from there, and its record says what was done."""
    parent = create()
    work(parent, little)
    step = parent.branch_steps()[1]
    branch = RunFolder(client.runs_folder() / client.branch(parent.id, step, name="operated", edits=EDITS))
    work(branch, little)
    run = recorded(branch)
    assert (run.edits, run.parent, run.state) == (EDITS, (parent.id, step), State.FINISHED)
    first, before = opened(branch, step).weights, opened(parent, step).weights
    assert (first["conv1.weight"][1] == 0).all()
    assert len(np.unique(first["fc1.weight"])) <= 15
    assert (first["fc1.bias"] == before["fc1.bias"]).all()
    last = opened(branch, branch.weight_steps()[-1]).weights
    assert (last["fc1.weight"] != first["fc1.weight"]).any()


def test_the_rest_of_the_checkpoint_stays(little: TrainingData):
    """Momentum, generators and all else are the parent's: only the network's tensors differ."""
    from safetensors.numpy import load_file

    parent = create()
    work(parent, little)
    step = parent.branch_steps()[1]
    branch = client.folder(client.branch(parent.id, step, edits="mute:fc1:1"))
    theirs, ours = load_file(parent.checkpoint(step)), load_file(branch.checkpoint(step))
    assert theirs.keys() == ours.keys()
    different = {name for name in ours if not np.array_equal(theirs[name], ours[name])}
    assert different == {"net.fc1.weight", "net.fc1.bias"}


@pytest.mark.parametrize(
    ("edits", "words"),
    [("mute:conv9:1", "no such layer"), ("cover:left:3", "nothing to train on from"), ("x", "is no edit")],
)
def test_what_cannot_be_done_is_refused(little: TrainingData, edits: str, words: str):
    """With a sentence, before anything is written."""
    parent = create()
    work(parent, little)
    before = {run.id for run in client.list_runs()}
    with pytest.raises(RunRefused, match=words):
        client.branch(parent.id, parent.branch_steps()[1], edits=edits)
    assert {run.id for run in client.list_runs()} == before

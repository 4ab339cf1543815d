"""Branches: one that changes nothing lies exactly over its parent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fmnist_core.runs import client
from fmnist_core.runs.branching import check
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.training.events import Changed
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    assert_is,
    create,
    die,
    reference,
    rerun,
    resume,
    work,
)
from tests.runs.lab import events, recorded

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

# --- Branches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 10, 14, 20])
def test_branch_without_change_lies_over_its_parent(little: TrainingData, step: int):
    """A branch that changes nothing repeats its parent bit for bit, also what was changed in flight, also without it."""
    parent = create()
    do = {17: lambda: client.change(parent.id, learning_rate=0.04), 14: lambda: client.pause(parent.id)}
    work(parent, little, do)
    resume(parent)
    work(parent, little, do)
    assert parent.branch_steps() == [0, 10, 14, 20, 30]
    branch = RunFolder(client.runs_folder() / client.branch(parent.id, step, name="twin"))
    changes, (losses, state) = events(parent, Changed), reference(BRIEF, little, events(parent, Changed))
    client.delete(parent.id)
    assert not parent.path.exists()
    work(branch, little)
    assert_is(branch, losses, state)
    run = recorded(branch)
    assert run.parent == (parent.id, step)
    assert (run.first_step, run.step, run.state) == (step, 30, State.FINISHED)
    assert run.measured[0].step == branch.weight_steps()[0] == branch.branch_steps()[0] == step
    assert [replace(c, request="") for c in events(branch, Changed)] == [
        replace(c, request="") for c in changes if c.step > step
    ]


def test_branch_killed_and_recovered(little: TrainingData):
    """A branch whose worker dies, before or after its first own checkpoint, still comes to its parent's end."""
    parent = create()
    work(parent, little, {17: lambda: client.change(parent.id, learning_rate=0.04)})
    for death in (12, 17, 25):
        branch = RunFolder(client.runs_folder() / client.branch(parent.id, 10))
        work(branch, little, {death: die})
        rerun(branch)
        work(branch, little)
        assert len(events(branch, Changed)) == 1
        assert_is(branch, *reference(BRIEF, little, events(parent, Changed)))


def test_branch_with_other_settings(little: TrainingData):
    """A branch with another rate starts from its parent's weights, goes its own way, and repeats no later change."""
    parent = create()
    work(parent, little, {17: lambda: client.change(parent.id, learning_rate=0.04)})
    config = replace(BRIEF, learning_rate=0.2, epochs=4)
    branch = RunFolder(client.runs_folder() / client.branch(parent.id, 10, config))
    work(branch, little)
    assert recorded(branch).step == 40
    assert branch.losses()[0] == parent.losses()[10], "the first step is taken from the same weights on the same images"
    assert branch.losses()[1] != parent.losses()[11]
    assert not events(branch, Changed)


def test_a_branch_of_a_branch_keeps_what_was_planned(little: TrainingData):
    """The middle one has not come to the step at which its parent was changed: the branch of it still comes to its end."""
    parent = create()
    work(parent, little, {17: lambda: client.change(parent.id, learning_rate=0.04)})
    middle = RunFolder(client.runs_folder() / client.branch(parent.id, 10))
    waiting = RunFolder(client.runs_folder() / client.branch(middle_of(little, parent, middle), 10))
    work(waiting, little)
    assert_is(waiting, *reference(BRIEF, little, events(parent, Changed)))
    assert [(c.step, c.learning_rate) for c in events(waiting, Changed)] == [(17, 0.04)]
    assert client.get(waiting.id).to_come(10) == client.get(parent.id).to_come(10)
    assert client.get(waiting.id).to_come(17) == []


def middle_of(little: TrainingData, parent: RunFolder, middle: RunFolder) -> str:
    """A branch that is paused on its way, before the change that it is to repeat."""
    work(middle, little, {14: lambda: client.pause(middle.id)})
    assert recorded(middle).step == 14
    assert not events(middle, Changed)
    return middle.id


def test_speed_of_a_branch_is_its_own(little: TrainingData):
    """Its time goes on from its parent's; what its first steps took is not what all of its parent's took."""
    parent = create()
    work(parent, little)
    branch = RunFolder(client.runs_folder() / client.branch(parent.id, 20))
    state, step, seconds = parent.read_checkpoint(at_most=20)
    branch.write_checkpoint(state, step, seconds + 10_000)  # as if the parent had trained for hours
    work(branch, little)
    run = recorded(branch)
    assert run.seconds > 10_000
    assert run.images_per_second > 500 / 60, "images of its own, over seconds of its own"


def test_branch_at_0_has_the_same_initial_weights(little: TrainingData):
    """Rewound to step 0, with another order of the images: the same weights at first, other losses."""
    parent = create()
    work(parent, little)
    branch = RunFolder(client.runs_folder() / client.branch(parent.id, 0, replace(BRIEF, seed=5, batch_size=100)))
    work(branch, little)
    assert recorded(branch).step == 15
    assert branch.weights(0)["fc1.weight"].tobytes() == parent.weights(0)["fc1.weight"].tobytes()
    assert branch.losses()[0] != parent.losses()[0]


def test_branch_refused(little: TrainingData):
    """What cannot be branched says why: a step without a checkpoint, weights that would not fit, no steps left."""
    parent = create()
    work(parent, little)
    with pytest.raises(client.RunRefused, match=r"^No checkpoint was kept after step 7: there are 0, 10, 20, 30\.$"):
        client.branch(parent.id, 7)
    with pytest.raises(
        client.RunRefused, match=r"^A branch keeps the setting hidden units, which is 10 in its parent\.$"
    ):
        client.branch(parent.id, 10, replace(BRIEF, hidden_units=20))
    sentence = r"^A branch later than step 0 keeps the setting batch size, which is 50 in its parent\.$"
    with pytest.raises(client.RunRefused, match=sentence):
        client.branch(parent.id, 10, replace(BRIEF, batch_size=20))
    with pytest.raises(
        client.RunRefused, match=r"ends after 30 steps, .* after 30: raise the step limit, or set it to 0"
    ):
        client.branch(parent.id, 30, replace(BRIEF, epochs=9, step_limit=30))
    whole = replace(recorded(parent), config=replace(BRIEF, epochs=1))  # 1,200 steps on all images
    with pytest.raises(client.RunRefused, match=r"ends after 1,200 steps, .* after 1,200: choose more epochs"):
        check(whole, 1_200, whole.config)

"""Names, notes, deletion, and the queue that is fair between people."""

from __future__ import annotations

import pytest

from fmnist_core.runs import client
from fmnist_core.training.state import TrainingData
from tests.runs.by_hand import (
    BRIEF,
    Worker,
    create,
    work,
)

pytestmark = pytest.mark.usefixtures("one_thread_an_event_for_each_step")

# --- Names, notes, deletion ------------------------------------------------------------------------------------------


def test_names_and_notes():
    """A run can be renamed and annotated at any time; what is too long is cut."""
    run = create()
    client.rename(run.id, "  another name ")
    client.annotate(run.id, "x" * 5000)
    found = client.get(run.id)
    assert (found.name, len(found.note)) == ("another name", client.NOTE_LENGTH)
    assert found.config == BRIEF
    with pytest.raises(client.RunNotFound):
        client.rename("0123456789ab", "nobody's")


def test_delete(little: TrainingData):
    """A run that is over disappears at once; one that is active only after it was stopped, or when that is asked for too."""
    run, other = create(), create()
    with pytest.raises(client.RunRefused, match=r"^This run is still active: stop it first\.$"):
        client.delete(run.id)
    client.delete(other.id, stop=True)
    assert other.is_asked("stop")
    assert other.is_asked("delete")
    work(run, little)
    client.delete(run.id)
    with pytest.raises(client.RunNotFound):
        client.get(run.id)
    assert not list(run.path.parent.glob(f"*{run.id}*"))


def test_delete_leaves_a_worker_its_run(little: TrainingData):
    """While a worker holds the run it stays; the request stays, too, for the dispatcher."""
    run = create()
    work(run, little, {5: lambda: client.pause(run.id)})
    worker = Worker(run)
    client.delete(run.id)
    assert run.has_file()
    assert run.is_asked("delete")
    worker.leave()


# --- The queue -------------------------------------------------------------------------------------------------------


def test_too_many_waiting():
    """Each person may have 20 waiting runs; the 21st is refused, another person's is not."""
    for _ in range(20):
        client.start(BRIEF, owner="Ada")
    with pytest.raises(client.RunRefused, match=r"^20 of your runs are waiting already: stop one of them"):
        client.start(BRIEF, owner="Ada")
    client.start(BRIEF, owner="Grace")
    assert len(client.queue()) == 21


def test_moved_in_the_queue():
    """A waiting run can be moved among its owner's; those of others keep their turns."""
    ada = [client.start(BRIEF, str(n), owner="Ada") for n in range(3)]
    grace = [client.start(BRIEF, owner="Grace") for _ in range(2)]
    assert [w.run.id for w in client.queue()] == [ada[0], grace[0], ada[1], grace[1], ada[2]]
    client.move(ada[2], 0)
    assert [w.run.id for w in client.queue()] == [ada[2], grace[0], ada[0], grace[1], ada[1]]
    client.move(ada[2], 1)
    assert [w.run.id for w in client.queue()] == [ada[0], grace[0], ada[2], grace[1], ada[1]]
    client.move(ada[0], 99)
    assert [w.run.id for w in client.queue()] == [ada[2], grace[0], ada[1], grace[1], ada[0]]
    assert [w.place for w in client.queue()] == [1, 2, 3, 4, 5]

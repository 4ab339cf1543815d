"""What pages say of the cluster that runs train on: from files, which may be missing, old or damaged; no page imports Ray."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from fmnist_core.runs import client, cluster
from fmnist_core.runs.cluster import Cluster, Node, Place
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed
from fmnist_core.runs.files.writing import EventWriter
from tests.pages.conftest import Open, words
from tests.runs.lab import SMALL

ADDRESS = "127.0.0.1:6379"
NODE = Node("a1", "10.0.0.3", "box <b>", 4.0, 1.0, 1.0, 1.0)
RUN = "0123456789ab"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runs folder with one run that waits; Ray can be found, and whoever imports it fails."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "__init__.py").write_text("raise ImportError('no page imports Ray')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name, value in {"FMNIST_RAY": ADDRESS, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}.items():
        monkeypatch.setenv(name, value)
    (folder := tmp_path / "runs").mkdir()
    monkeypatch.setenv("FMNIST_RUNS", str(folder))
    monkeypatch.setattr(client, "ensure_dispatcher", lambda: None)
    RunFolder.create(folder, RUN, 1, "mine", SMALL)
    return folder


def place(runs: Path, found: Place) -> None:
    """As the process that follows the run leaves it."""
    cluster.write_place(runs / RUN, found)
    if found.phase == "training":
        writer = EventWriter(runs / RUN)
        writer.write(Claimed(7))
        writer.close()


def test_home_shows_nodes_their_load_and_what_they_train(runs: Path, open_page: Open):
    """A panel for each node, with the run that is there, and how many wait; names are text."""
    cluster.write(runs, Cluster(ADDRESS, "", (NODE, Node("b2", "10.0.0.4", "10.0.0.4", 2.0, 2.0, 0.0, 0.0))))
    cluster.write_place(runs / RUN, Place("waiting"))
    assert "1 run waits for a free node." in words(open_page("app.py"))
    place(runs, Place("training", "10.0.0.3"))
    page = open_page("app.py")
    assert not page.exception
    text = words(page)
    assert "3 of 4 CPUs in use, 0 of 1 GPU in use" in text
    assert "0 of 2 CPUs in use" in text
    assert "box <b>" not in text
    assert "mine" in [link.label for link in page.get("page_link")]
    cluster.write_place(runs / RUN, Place("waiting"))  # left by a process that was killed
    assert "for a free node" not in words(open_page("app.py"))


@pytest.mark.parametrize(
    ("phase", "said"),
    [
        (Place("waiting"), "Every node of the cluster is busy"),
        (Place("training", "10.0.0.3"), "Trains on the node 10.0.0.3."),
        (Place("given back", words="The node 10.0.0.3 was lost."), "The node 10.0.0.3 was lost."),
    ],
)
def test_train_says_where_a_run_is(runs: Path, open_page: Open, phase: Place, said: str):
    """While it is not over."""
    place(runs, phase)
    page = words(open_page("pages/4_train.py", run=RUN))
    assert said in page.replace("\\", "").replace("\u2060", "")  # what `plain` puts in, so that it is text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"at": NaN}',
        json.dumps({"address": ADDRESS, "at": 0, "nodes": [], "trouble": ""}).encode(),
    ],
)
def test_what_is_damaged_or_old_is_nothing(runs: Path, content: bytes):
    """Whatever stands in the files, pages draw."""
    (runs / cluster.FILE).write_bytes(content)
    (runs / RUN / cluster.PLACE).write_bytes(content)
    assert cluster.cluster(runs) is None
    assert cluster.place(runs / RUN) is None
    Path(runs / cluster.FILE).unlink()
    os.mkfifo(runs / cluster.FILE)
    assert cluster.cluster(runs) is None


def test_nodes_of_the_wrong_kind_are_left_out(runs: Path):
    """The others are shown."""
    good = {"id": "a", "address": "b", "name": "c", "cpus": 1, "free_cpus": 0, "gpus": 0, "free_gpus": 0}
    nodes = [good, 7, {}, good | {"cpus": -1}, good | {"name": None}, good | {"gpus": "1"}]
    told = {"address": ADDRESS, "at": time.time(), "nodes": nodes, "trouble": ""}
    (runs / cluster.FILE).write_text(json.dumps(told))
    found = cluster.cluster(runs)
    assert found
    assert found.nodes == (Node("a", "b", "c", 1.0, 0.0, 0.0, 0.0),)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"FMNIST_RAY": "ray://10.0.0.1:10001"}, "must be the address of a Ray cluster's head"),
        ({"FMNIST_RAY": "10.0.0.1"}, "must be the address of a Ray cluster's head"),
        ({"FMNIST_RAY": "10.0.0.1:99999"}, "must be the address of a Ray cluster's head"),
        ({"FMNIST_RAY": "auto"}, "must be the address of a Ray cluster's head"),
        ({"RAY_AUTH_MODE": "disabled"}, "without a token"),
        ({"RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": "/nowhere"}, "without a token"),
    ],
)
def test_nonsense_is_refused_where_it_enters(
    runs: Path, open_page: Open, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], said: str
):
    """Train and the terminal say the same sentence, and Home draws."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert said in (client.trouble() or "")
    assert cluster.cluster(runs) is None
    assert not open_page("app.py").exception

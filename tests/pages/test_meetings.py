"""Features meet: each one against each kind of run, by two tables. A new feature adds a line to one of them.

`COUNTED` says which kinds a question asked of all runs is about; whatever is not named is left out. `VIEWS` are shown for every
kind: none raises, and none shows what an open sweep's run does on the test images.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Moment, Run, State
from fmnist_core.runs.people import Person
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race, RateTest
from fmnist_core.studies import cross_validation, label_evidence, scores, seeds, sweep
from fmnist_core.terminal.following import lines
from fmnist_core.terminal.printing import run_keys, run_row
from fmnist_core.training.events import Changed
from fmnist_core.training.state import TrainingData
from fmnist_core.views import charts
from pages.parts.compare.contenders import Contender
from pages.parts.compare.side_by_side import TUTORIAL, run_words
from pages.parts.components.drawing_pad import route as drawing_pad
from pages.parts.runs.run_picker import newest
from pages.parts.train.recipe_choice import is_the_tutorials
from tests.pages.conftest import Open, words
from tests.pages.meetings import CONFIG, Zoo, build, train

MADE = {"branch", "branch of a branch", "branch of a deleted run"}
SEALED = {"open sweep", "branch of an open sweep"}
ENDED = MADE | {
    "plain", "seed", "foreign", "steered", "stopped", "diverged", "chosen", "label check", "another part", "smoothed",
}  # fmt: skip
RUNS = ENDED | SEALED | {"paused", "waiting"}
WHOLE = ENDED - {"stopped", "diverged"}
"""Finished, and not sealed."""


def ids(runs: Iterable[Run]) -> set[str]:
    return {run.id for run in runs}


COUNTED: dict[str, tuple[Callable[[], set[str]], set[str]]] = {
    "the list of runs": (lambda: ids(client.list_runs()), RUNS),
    "jobs": (lambda: ids([*client.list_jobs(Race), *client.list_jobs(RateTest)]), {"rate test", "race"}),
    "the queue": (lambda: {waiting.run.id for waiting in client.queue()}, {"waiting", "race"}),
    "a test score to show": (
        lambda: ids(run for run in client.list_runs() if run.latest and run.latest.test),
        RUNS - SEALED - {"waiting"},
    ),
    "a score to show": (
        lambda: ids(run for run in client.list_runs() if run.latest and run.latest.shown),
        RUNS - {"waiting"},
    ),
    "predictions on test images": (
        lambda: ids(run for run in client.list_runs() if client.folder(run.id).logit_steps()),
        RUNS - SEALED - {"waiting"},
    ),
    "replicates over seeds": (
        lambda: {run.id for group in seeds.by_seed(client.list_runs()) for run in group.runs},
        WHOLE - MADE - {"steered", "label check", "another part"},
    ),
    "seeds of the plain run": (
        lambda: ids(seeds.by_seed(client.list_runs())[0].runs),
        {"plain", "seed", "foreign"},
    ),
    "judges of test labels": (
        lambda: ids(label_evidence.judges_of_test(client.list_runs())),
        WHOLE,
    ),
    "the open sweep": (
        lambda: ids(run for runs in sweep.sweeps().values() for run in runs if run.is_sealed),
        {"open sweep"},
    ),
    "sweeps": (
        lambda: {run.id for runs in sweep.sweeps().values() for run in runs},
        {"open sweep", "chosen"},
    ),
    "the label check": (
        lambda: {run.id for check in cross_validation.label_checks(client.list_runs()) for run in check.runs},
        {"label check", "another part"},
    ),
    "may be branched": (
        lambda: ids(run for run in client.list_runs() if client.folder(run.id).branch_steps()),
        RUNS - {"waiting"},
    ),
    "may be steered": (lambda: ids(run for run in client.list_runs() if not run.state.is_final), {"paused", "waiting"}),
    "told apart from its settings": (
        lambda: ids(
            run for run in client.list_runs() if "after step" in run_words(run) or "branched" in run_words(run)
        ),
        MADE | {"steered", "branch of an open sweep"},
    ),
    "begins within its parent's training": (
        lambda: ids(run for run in client.list_runs() if run.first_step),
        {"branch", "branch of a branch"},
    ),
}

VIEWS: dict[str, tuple[str, dict[str, str]]] = {
    "Train": ("pages/4_train.py", {"run": "{id}"}),
    "Test": ("pages/5_test.py", {"run": "{id}"}),
    "Test, matrices": (
        "pages/5_test.py",
        {"run": "{plain}", "view": "matrix", "side": "Difference", "against": "{id}"},
    ),
    "Image": ("pages/2_image.py", {"run": "{id}", "split": "test", "index": "7"}),
    "Browse, biographies": ("pages/1_browse.py", {"run": "{id}", "view": "Biographies", "split": "test"}),
    "Yours": ("pages/7_yours.py", {"run": "{id}", "second": "{plain}"}),
    "Yours, beside": ("pages/7_yours.py", {"run": "{plain}", "second": "{id}"}),
    "Compare": ("pages/8_compare.py", {"runs": "{id},{plain}"}),
    "Inside": ("pages/6_inside.py", {"run": "{id}", "index": "7"}),
    "Inside, map": ("pages/6_inside.py", {"run": "{id}", "view": "map", "area": "-50_-50_50_-50_0_50"}),
    "Inside, surgery": ("pages/6_inside.py", {"run": "{id}", "view": "surgery", "edits": "prune:50"}),
}
"""About one run: its script, and its address."""

VIEWED = ("branch of a branch", "diverged", "waiting", "branch of an open sweep", "deleted")
"""Kinds that a view of one run is most likely to treat in another way."""
REST = (
    "plain", "branch of a deleted run", "steered", "stopped", "paused", "open sweep", "rate test", "foreign", "smoothed",
)  # fmt: skip
"""Kinds that a view of one run could treat in another way, too."""

OVERVIEWS: dict[str, tuple[str, dict[str, str]]] = {
    "Home": ("app.py", {}),
    "Compare, seeds": ("pages/8_compare.py", {"view": "seeds"}),
    "Compare, leaderboard": ("pages/8_compare.py", {"view": "leaderboard"}),
    "Explore, race": ("pages/9_explore.py", {"view": "race", "race": "{race}"}),
    "Explore, sweep": ("pages/9_explore.py", {"view": "sweep", "sweep": "{sweep}"}),
    "Data, test labels": ("pages/10_data.py", {"view": "labels", "of": "test"}),
    "Data, training labels": ("pages/10_data.py", {"view": "labels", "of": "train"}),
}
"""About all runs."""

OPENED = ("rate_{id}_0", "branch_{id}", "label_{id}", "delete_{id}", "take_away_menu", "who_you_are", "group_optimizer")
"""What Train draws only where it is open."""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """One run of each kind; nobody serves them."""
    folder, threads = tmp_path_factory.mktemp("zoo"), torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FMNIST_RUNS", str(folder))
        patch.setenv("FMNIST_SNAPSHOTS", "4")
        patch.setattr(client, "ensure_dispatcher", lambda: None)
        patch.setattr("fmnist_core.training.loop.NEWS_EVERY", 0.0)  # an event for each step: a test can stop anywhere
        patch.setattr(label_evidence, "LEAST_ACCURACY", 0.0)
        patch.setattr("fmnist_core.studies.answers.REFERENCE", 1_000)  # Yours is fitted for each kind
        torch.set_num_threads(1)
        yield build(folder)
    torch.set_num_threads(threads)


def everything(page: AppTest) -> str:
    """All that the page sends to the browser."""
    return "\n".join(str(element.proto) for element in [*page.main, *page.sidebar] if hasattr(element, "proto"))


def shown(open_page: Open, zoo: Zoo, script: str, address: dict[str, str], run_id: str = "") -> str:
    """What a page at that address sends; it raises nothing."""
    names = {"id": run_id, "plain": zoo.ids["plain"], "race": zoo.ids["race"], "sweep": zoo.secret.group.name}  # type: ignore[union-attr]
    opened = [key.format(id=run_id) for key in OPENED] if run_id else []
    page = open_page(script, *opened, **{name: text.format(**names) for name, text in address.items()})
    assert not page.exception, page.exception
    return everything(page)


def assert_nothing_is_given_away(zoo: Zoo, text: str) -> None:
    """Neither accuracy nor loss of the sealed run on the test images."""
    for measured in zoo.secret.measured[1:]:
        assert measured.test
        for figure in (f"{100 * measured.test.accuracy:.2f}", f"{measured.test.loss:.4f}"):
            assert figure not in text


@pytest.mark.parametrize(("kind", "owner"), [("foreign", "Grace"), ("paused", ""), ("diverged", "")])
def test_a_learner_is_offered_what_they_may_do(
    open_page: Open, zoo: Zoo, monkeypatch: pytest.MonkeyPatch, kind: str, owner: str
):
    """Of another's run: branches and what can be taken away, and who started it; a teacher is offered everything."""

    def offered(person: Person) -> tuple[set[str], str]:
        monkeypatch.setattr("pages.parts.person.me", lambda: person)
        page = open_page("pages/4_train.py", run=zoo.ids[kind])
        assert not page.exception
        labels = {str(element.proto.popover.label) for element in page.get("popover")}
        return labels | {button.label for button in page.button}, words(page)

    changing = {"Name and note", "Delete", "Learning rate", "Resume", "Stop", "Take step 16"}
    learner, said = offered(Person("1", "Ada"))
    assert not learner & changing
    assert {"Branch", "Take away"} <= learner
    assert (f"Started by {owner}" in said) == bool(owner)
    teacher, _ = offered(Person("2", "Ms Eve", "teacher"))
    assert (teacher & changing) - {"Learning rate"} == changing - {"Learning rate"} - (
        set() if kind == "paused" else {"Resume", "Stop", "Take step 16"}
    )


def test_a_diverged_run_is_shown_before_its_fall(open_page: Open, zoo: Zoo):
    """Test begins at its last moment with finite scores; where there are none any more it says so, and shows no figures."""
    folder = RunFolder(zoo.folder / (run_id := zoo.ids["diverged"]))
    last = folder.weight_steps()[-1]
    folder.write_logits(last, np.full((10_000, 10), np.nan, np.float32))  # as of each kept moment, once nobody waits
    assert client.folder(run_id).logit_steps() == [0, last]
    page = open_page("pages/5_test.py", run=run_id)
    assert not page.exception
    assert client.get(run_id).reason.startswith("The loss was no longer a number in step 13")
    assert not any("nan" in str(metric.value) for metric in page.metric)
    assert page.metric
    fallen = open_page("pages/5_test.py", run=run_id, step=str(last))
    assert not fallen.exception
    assert "the run had diverged" in fallen.warning[0].value
    assert not fallen.metric
    inside = open_page("pages/6_inside.py", run=run_id)
    assert not inside.exception
    assert not inside.warning


def test_where_no_run_is_named_one_of_ones_own_is_shown(zoo: Zoo):
    """Parts of a sweep or a label check are newer: they are shown only where there is nothing else."""
    runs = [run for run in client.list_runs() if run.group or run.id == zoo.ids["plain"]]
    assert runs[0].id != zoo.ids["plain"]
    assert newest(runs).id == zoo.ids["plain"]
    assert newest([run for run in runs if run.group]).id == runs[0].id


@pytest.mark.parametrize("script", ["pages/5_test.py", "pages/6_inside.py", "pages/7_yours.py"])
def test_a_waiting_run_is_said_to_wait(open_page: Open, zoo: Zoo, script: str):
    """Its place in the queue, and that what stands below is another run; the address goes on naming the one that waits."""
    page = open_page(script, run=zoo.ids["waiting"])
    assert not page.exception
    (said,) = [str(info.value) for info in page.info if "waiting" in str(info.value)]
    assert said.replace("\u2060", "").startswith("**waiting** is waiting. Number 2 in the queue")
    assert "another run" in said
    assert page.query_params["run"] == zoo.ids["waiting"]


@pytest.mark.parametrize("feature", COUNTED)
def test_each_feature_counts_the_runs_that_it_is_about(zoo: Zoo, feature: str):
    """No more and no fewer; a deleted run is in none."""
    counted, expected = COUNTED[feature]
    assert zoo.kinds(counted()) == expected


@pytest.mark.parametrize("kinds", [VIEWED, pytest.param(REST, marks=pytest.mark.thorough)], ids=["likely", "rest"])
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_answers_for_each_kind(open_page: Open, zoo: Zoo, view: str, kinds: tuple[str, ...]):
    """No traceback for any of them, and the open sweep's secret in none."""
    for kind in kinds:
        assert_nothing_is_given_away(zoo, shown(open_page, zoo, *VIEWS[view], zoo.ids[kind]))


def test_the_drawing_pad_asks_no_run_of_an_open_sweep(zoo: Zoo):
    """Who brings a test picture is not told what the network makes of it; nor of its branches."""
    web = TestClient(Starlette(routes=drawing_pad.routes), raise_server_exceptions=False)
    black = base64.urlsafe_b64encode(bytes(784)).decode()
    for kind in ("open sweep", "branch of an open sweep"):
        answer = web.get(f"/api/runs/{zoo.ids[kind]}/answer", params={"step": "0", "pixels": black})
        assert answer.status_code == 403
        assert set(answer.json()) == {"error"}


def test_surgery_on_a_run_of_an_open_sweep_is_scored_on_what_it_held_out(open_page: Open, zoo: Zoo):
    """And says so; its picture is one of them, also where the address asks for a test picture."""
    for kind in SEALED:
        run = client.get(zoo.ids[kind])
        page = open_page("pages/6_inside.py", run=run.id, view="surgery", edits="prune:50", split="test")
        assert not page.exception
        assert run.latest
        assert run.latest.validation
        figures = {metric.label: metric.value for metric in page.metric}
        assert figures["Before"] == f"{100 * run.latest.validation.accuracy:.2f}\u00a0%"
        text = everything(page)
        assert "10,000 held-out pictures in" in text
        assert "test pictures in" not in text
        assert "All mistakes" not in text
        way = everything(open_page("pages/6_inside.py", run=run.id, split="test"))
        label = int(dataset.load("train").labels[0])
        assert f'"trueClass": {label}' in way.replace("\\", "")


@pytest.mark.parametrize("view", OVERVIEWS)
def test_each_overview_bears_all_kinds(open_page: Open, zoo: Zoo, view: str):
    """All of them are in the folder at once."""
    text = shown(open_page, zoo, *OVERVIEWS[view])
    assert_nothing_is_given_away(zoo, text)
    best = max(run.latest.test.accuracy for run in client.list_runs() if run.latest and run.latest.test)
    assert zoo.secret.latest
    assert zoo.secret.latest.test
    assert zoo.secret.latest.test.accuracy > best + 0.01
    assert view != "Home" or f"Best so far {100 * best:.1f}" in text


def test_terminal_bears_all_kinds_and_gives_nothing_away(zoo: Zoo):
    """Lines, JSON and the notebook's printing."""
    for run in client.list_runs():
        said = [*run_row(run), json.dumps(run_keys(run)), *lines(run)]
        assert_nothing_is_given_away(zoo, "\n".join(said))


def test_seeds_to_come_repeat_none_that_is_there(zoo: Zoo):
    """Not those that wait, were steered, stopped or diverged under the same settings."""
    group = seeds.by_seed(client.list_runs())[0]
    assert group.id == zoo.ids["plain"]
    assert group.waiting == 1
    assert group.free_seeds(3) == [3, 7, 9]  # 3 was steered, 7 deleted


def test_a_steered_run_is_told_from_the_tutorials(zoo: Zoo):
    """Its line names what was changed in flight, and from when on; the settings alone would be another's."""
    steered = client.get(zoo.ids["steered"])
    assert steered.course("learning_rate", 40) == [(0, 0.002), (10, 0.02)]
    assert steered.course("learning_rate", 10) == [(0, 0.002)]
    assert "learning rate 0.002, 0.02 after step 10" in run_words(steered)
    assert TUTORIAL not in run_words(steered)
    tutorial = replace(client.get(zoo.ids["plain"]), config=TrainingConfig())
    assert is_the_tutorials(tutorial)
    assert not is_the_tutorials(replace(tutorial, changes=(Changed(30, 0.01, 0.9),)))
    assert not is_the_tutorials(replace(tutorial, parent=Moment(zoo.ids["plain"], 20)))
    assert is_the_tutorials(replace(tutorial, changes=(Changed(30, 0.001, 0.9),))), "nothing was changed"


def test_scores_of_a_run_that_was_deleted_meanwhile(zoo: Zoo):
    """A page that still has it in a list gets nothing, and no traceback."""
    ghost = Run("fedcba987654", 99, "", "", client.get(zoo.ids["plain"]).config, state=State.FINISHED)
    assert scores.score(ghost, 40) is None
    assert scores.measured(ghost, None) == []
    assert not len(scores.losses(ghost))
    with pytest.raises(client.RunNotFound):
        scores.evaluation(Contender(ghost).moment)


def test_one_axis_has_one_measure(open_page: Open, zoo: Zoo):
    """With label smoothing what is trained on is no plain cross-entropy: Compare draws no batches, Train a second axis."""
    compare = ("pages/8_compare.py", {"runs": "{id},{plain}"})
    both, alike = (shown(open_page, zoo, *compare, zoo.ids[kind]) for kind in ("smoothed", "seed"))
    assert "while training" in alike
    assert "while training" not in both
    assert "cross-entropy against labels smoothed by 0.1" in both
    assert "on training images" in both
    for kind, said in (("smoothed", "the cross-entropy (right axis)"), ("plain", "Points: the network")):
        assert said in shown(open_page, zoo, *VIEWS["Train"], zoo.ids[kind])


def test_fixed_is_what_the_newer_network_gets_right(open_page: Open, zoo: Zoo):
    """In whatever order the two stand in the address."""
    older, newer = zoo.ids["plain"], zoo.ids["seed"]
    label = f"From plain to {client.get(newer).title}"
    for runs in (f"{older},{newer}", f"{newer},{older}"):
        page = open_page("pages/8_compare.py", runs=runs)
        assert label in [control.label for control in page.get("button_group")]


def test_a_branch_is_drawn_from_where_it_began(zoo: Zoo):
    """Its losses stand at their own steps, as its measurements do."""
    run = client.get(zoo.ids["branch"])
    epochs, _ = charts.window_means(
        scores.losses(run), run.config.batch_size, run.config.steps_per_epoch, run.first_step
    )
    assert epochs == [40 / 600, 60 / 600]
    assert [measured.step for measured in run.measured] == [20, 60]


def test_nesterov_without_momentum_is_refused_with_a_sentence(open_page: Open, zoo: Zoo):
    """Where a branch is made; no traceback."""
    run_id = train(
        client.start(replace(CONFIG, optimizer="nesterov"), "nesterov"), TrainingData.load(torch.device("cpu"))
    )
    page = open_page("pages/4_train.py", f"branch_{run_id}", run=run_id)
    slider = next(each for each in page.select_slider if each.label == "Momentum" and run_id in str(each.key))
    slider.set_value(slider.options[0]).run()
    assert not page.exception
    assert "momentum must be above 0 for the optimizer nesterov" in next(error.value for error in page.error)
    client.delete(run_id)

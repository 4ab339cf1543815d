"""The Explore page: a race from its settings to its chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from streamlit.testing.v1 import AppTest

from fmnist_core.runs import client
from fmnist_core.settings import search
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import Race
from fmnist_core.studies import sweep
from pages.parts.runs import now
from tests.pages.conftest import Open, Trained, words
from tests.pages.test_train import wait_for

PAGE = "pages/9_explore.py"


def test_race_starts_with_what_the_controls_show(open_page: Open, empty: Path):
    """In the queue as a job, its id in the address; images are held out, so that no test image is looked at."""
    page = open_page(PAGE, replicas="2", vary="learning_rate", low="0.01", high="1", batch_size="512")
    page.button(key="start_race").click().run()
    assert not page.exception
    race_id = page.query_params["race"]
    run = client.get(race_id)
    assert run.job == Race(copies=2, vary="learning_rate", lowest=0.01, highest=1.0)
    assert run.config.validation == 10_000
    assert run.config.batch_size == 512
    assert "2 learning rates" in words(page)
    client.stop(race_id)
    wait_for(race_id, "stopped", "finished")
    page.run()
    assert not page.exception
    assert client.list_runs() == []
    assert [run.id for run in client.list_jobs(Race)] == [race_id]


@pytest.mark.slow
def test_earlier_ones_open_with_their_settings(open_page: Open, empty: Path):
    """The links below the form carry what was chosen for a race and for a sweep; changing the view loses neither."""
    short = TrainingConfig(batch_size=500, step_limit=1, epochs=2, validation=10_000, dropout=0.2)
    job = Race(copies=3, vary="learning_rate", lowest=0.01, highest=0.5)
    race, name = client.start(short, job=job), sweep.new_name()
    sweep.start(name, search.grid(short, {"momentum": (0.5, 0.9), "learning_rate": (0.01, 0.1)}, 2))
    for view, wanted in (
        (
            "race",
            {"race": race, "vary": "learning_rate", "replicas": "3", "low": "0.01", "high": "0.5", "dropout": "0.2"},
        ),
        ("sweep", {"sweep": name, "learning_rate_low": "0.01", "momentum_high": "0.9", "points": "2", "epochs": "2"}),
    ):
        page = open_page(PAGE, view=view)
        (link,) = [link for link in page.get("page_link") if wanted[view] in link.proto.query_string]
        opened = open_page(PAGE, **dict(parse_qsl(link.proto.query_string)))
        assert not opened.exception
        assert not opened.warning
        assert wanted.items() <= {name: opened.query_params[name] for name in opened.query_params}.items()
        opened.segmented_control(key="chosen_view").set_value("sweep" if view == "race" else "race").run()
        assert opened.query_params[view] == wanted[view]


def sweep_table(page: AppTest) -> dict[str, Any]:
    """What the list of a sweep's runs is given."""
    (found,) = [c.proto.json for c in page.get("bidi_component") if c.proto.component_name == "ranking"]
    return dict(json.loads(found))


def test_bare_sweep_shows_what_was_asked_for(open_page: Open, empty: Path):
    """`?sweep=` alone, in a link from somebody: the form stands at that sweep's settings, the sample's seed among them."""
    base = TrainingConfig(batch_size=500, step_limit=1, epochs=2, validation=search.HELD_OUT)
    asked = sweep.Plan(ranges={"momentum": (0.5, 0.95), "dropout": (0.1, 0.4)}, number=3, seed=41)
    sweep.start_planned(name := sweep.new_name(), asked, base)
    page = open_page(PAGE, sweep=name)
    assert not page.exception
    assert dict(page.query_params) == {"sweep": name}  # nothing that Back could not leave
    assert page.segmented_control(key="chosen_view").value == "sweep"
    assert page.multiselect(key="chosen_vary_settings").value == ["momentum", "dropout"]
    assert page.select_slider(key="chosen_momentum_low_momentum_high").value == (0.5, 0.95)
    assert page.select_slider(key="chosen_dropout_low_dropout_high").value == (0.1, 0.4)
    assert page.segmented_control(key="chosen_sampler").value == "random"
    assert page.slider(key="chosen_count").value == 3
    assert page.number_input(key="chosen_sample_seed").value == 41
    assert page.number_input(key="chosen_sample_seed").label == "Seed of the sample"
    assert page.slider(key="chosen_epochs").value == 2
    assert "sample 41" in words(page)
    assert {row["link"] for row in sweep_table(page)["rows"]} == {f"train?run={run.id}" for run in sweep.runs_of(name)}
    page.slider(key="chosen_epochs").set_value(1).run()
    assert page.query_params["epochs"] == "1"  # the table's default, but not this sweep's
    assert page.slider(key="chosen_epochs").value == 1
    assert page.number_input(key="chosen_sample_seed").value == 41
    (empty / ".sweeps" / f"{name}.json").unlink()  # as of a sweep from before plans were written down
    page = open_page(PAGE, sweep=name)
    assert not page.exception
    assert page.multiselect(key="chosen_vary_settings").value == ["momentum", "dropout"]
    assert "by which seed, was not written down" in words(page)
    assert page.number_input(key="chosen_sample_seed").label == "Seed of the next sample"


def test_bare_race_shows_what_was_asked_for(open_page: Open, empty: Path):
    """`?race=` alone."""
    config = TrainingConfig(batch_size=500, step_limit=1, epochs=2, validation=search.HELD_OUT, dropout=0.2)
    race = client.start(config, job=Race(copies=3, vary="learning_rate", lowest=0.01, highest=0.5))
    page = open_page(PAGE, race=race)
    assert not page.exception
    assert dict(page.query_params) == {"race": race}
    assert page.segmented_control(key="chosen_vary").value == "learning_rate"
    assert page.select_slider(key="chosen_low_high").value == (0.01, 0.5)
    assert page.slider(key="chosen_replicas").value == 3
    page.segmented_control(key="chosen_vary").set_value("seed").run()
    assert page.query_params["vary"] == "seed"
    assert page.segmented_control(key="chosen_vary").value == "seed"


def test_plan_of_a_sweep_comes_back_or_is_none(empty: Path):
    """A file that holds something else harms nothing: the runs say themselves what they tried."""
    name = sweep.new_name()
    plan = sweep.Plan(ranges={"learning_rate": (0.005, 0.1)}, number=2, seed=None)
    ids = sweep.start_planned(name, plan, TrainingConfig(step_limit=1, validation=search.HELD_OUT))
    assert len(ids) == 2
    assert sweep.plan(name) == plan
    (file,) = (empty / ".sweeps").glob("*.json")
    for content in ('{"ranges": {"momentum": [0.5, []]}, "number": 2, "seed": null}', "[]", "{", '{"ranges": 1}'):
        file.write_text(content)
        assert sweep.plan(name) is None
    assert sweep.plan(sweep.new_name()) is None


def test_run_is_no_race(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """The id of an ordinary run in the place of a race's."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, race=trained.first)
    assert not page.exception
    assert "not here" in page.warning[0].value


@pytest.mark.slow
def test_sweep_chooses_on_held_out_pictures_and_tests_once(open_page: Open, empty: Path):
    """Two runs with a common group; test accuracies stay away until a run is chosen, for good."""
    page = open_page(
        PAGE, view="sweep", vary_settings="batch_size", batch_size_low="256", batch_size_high="512", points="2"
    )
    page.button(key="start_sweep").click().run()
    assert not page.exception
    name = page.query_params["sweep"]
    runs = sweep.runs_of(name)
    assert [run.config.batch_size for run in runs] == [256, 512]
    assert {run.config.validation for run in runs} == {10_000}
    for run in runs:
        wait_for(run.id, "finished")
    page.run()
    assert not page.exception
    table = sweep_table(page)
    assert "Test" not in {column["label"] for column in table["columns"]}
    held = [row["cells"][1] for row in table["rows"]]
    assert sorted(held, reverse=True) == held
    assert {row["link"] for row in table["rows"]} == {f"train?run={run.id}" for run in runs}
    assert not page.metric
    best = sweep.best(sweep.runs_of(name))
    assert best
    for address in ("pages/5_test.py", "pages/8_compare.py"):
        hidden = open_page(address, run=best.id, runs=best.id)
        assert not hidden.exception
        assert not hidden.metric
        assert "nothing has been chosen yet" in hidden.info[0].value
    held_out = sweep.validation_accuracy(best)
    assert held_out
    assert now.figures(client.get(best.id))[0].value == f"{100 * held_out:.2f}\u00a0%"
    page.button(key="choose").click().run()
    assert not page.exception
    assert sweep.chosen(name) == best.id
    best = client.get(best.id)
    assert best.latest
    assert page.metric[1].value == f"{100 * best.latest.test.accuracy:.2f}\u00a0%"
    table = sweep_table(page)
    place = [column["label"] for column in table["columns"]].index("Test")
    assert all(row["cells"][place].endswith("%") for row in table["rows"])
    (other,) = [run.id for run in runs if run.id != best.id]
    assert sweep.choose(name, other) == best.id
    assert open_page("pages/5_test.py", run=other).metric


def test_too_large_a_sweep_is_not_started(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """At most 20 runs."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, view="sweep", points="5")
    assert "25 runs are too many" in page.warning[0].value
    assert "start_sweep" not in {button.key for button in page.button}

"""The settings on the Train page: recipes, previews, the learning-rate finder, the way to the tutorial's run."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from fmnist_core.data import dataset
from fmnist_core.runs import client
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.jobs import RateTest, suggest
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.settings.schedules import learning_rate_at
from fmnist_core.training.loop import batches
from fmnist_core.training.state import TrainingData
from fmnist_core.views import settings
from pages.parts.train.plan import plan
from pages.parts.train.run_view import why_above
from pages.parts.train.setting_groups import GROUPS
from tests.pages.conftest import Open, Trained, words
from tests.pages.test_train import PAGE, wait_for

UNFOLDED = [f"group_{name}" for name in GROUPS]


def address_of(config: TrainingConfig) -> dict[str, str]:
    """What the address says of settings that are not the tutorial's."""
    default = TrainingConfig().to_dict()
    changed = {name: value for name, value in config.to_dict().items() if value != default[name]}
    return {name: str(value).lower() if isinstance(value, bool) else f"{value}" for name, value in changed.items()}


def recipe_in(page: AppTest) -> str:
    """What the choice of a recipe stands at."""
    (found,) = [box for box in page.selectbox if str(box.key).startswith("recipe_")]
    return str(found.value)


def test_each_recipe_fills_all_controls_in(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """One choice: the controls are the recipe's, the address says its name, the page what it teaches."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, "group_network")
    assert recipe_in(page) == "tutorial"
    for name, recipe in reversed(RECIPES.items()):
        page.selectbox(key=f"recipe_{recipe_in(page)}").select(name).run()
        assert not page.exception
        assert recipe_in(page) == name
        assert recipe.teaches in words(page)
        said = {key: page.query_params[key] for key in page.query_params}
        assert said == ({} if name == "tutorial" else {"recipe": name})
        controls = {str(widget.key): widget.value for widget in (*page.select_slider, *page.slider)}
        assert controls["chosen_learning_rate"] == recipe.config.learning_rate
        assert controls["chosen_epochs"] == recipe.config.epochs
    page.select_slider(key="chosen_dropout").set_value(0.2).run()
    assert recipe_in(page) == "own"


def test_a_recipe_is_named_by_a_link(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """`?recipe=fast` is all that a teacher has to send; a setting beside it counts more, and any recipe can be taken back."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, recipe="fast")
    assert not page.exception
    assert not page.warning
    assert recipe_in(page) == "fast"
    assert page.select_slider(key="chosen_learning_rate").value == RECIPES["fast"].config.learning_rate
    page.slider(key="chosen_epochs").set_value(20).run()  # the tutorial's number, but not this recipe's
    assert dict(page.query_params) == {"recipe": "fast", "epochs": "20"}
    assert page.slider(key="chosen_epochs").value == 20
    assert page.select_slider(key="chosen_learning_rate").value == RECIPES["fast"].config.learning_rate
    page.button(key="reset").click().run()
    assert not dict(page.query_params)
    assert recipe_in(page) == "tutorial"
    assert page.select_slider(key="chosen_learning_rate").value == TrainingConfig().learning_rate


@pytest.mark.parametrize("name", ["quick", "own", "Fast ", ""])
def test_a_recipe_that_is_none_is_said(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch, name: str):
    """The notice names those that there are, and the form stands at the tutorial's settings."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, recipe=name)
    assert not page.exception
    assert len(page.warning) == 1
    assert "tutorial, fast, minute" in page.warning[0].value
    assert recipe_in(page) == "tutorial"
    assert "recipe" not in page.query_params


def test_recipe_starts_as_it_is_and_bears_its_name(open_page: Open, empty: Path):
    """From the choice to the run in one click; the run's settings are the recipe's."""
    page = open_page(PAGE)
    page.selectbox(key="recipe_tutorial").select("fast").run()
    page.button(key="start").click().run()
    assert not page.exception
    run = client.get(page.query_params["run"])
    assert run.config == RECIPES["fast"].config
    assert run.title == RECIPES["fast"].title
    client.stop(run.id)


def test_control_that_does_not_apply_is_not_there(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Adam has no momentum, a network without hidden layer no dropout; with them away, nothing else changes."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, *UNFOLDED, optimizer="adam", architecture="linear")
    assert not page.exception
    keys = {str(widget.key).removeprefix("chosen_") for widget in (*page.select_slider, *page.number_input)}
    assert keys >= {"weight_decay", "batch_size", "validation"}
    assert not keys & {"momentum", "dropout", "conv1_channels", "hidden_units", "fold"}
    page.number_input(key="chosen_validation").set_value(10_000).run()
    assert page.number_input(key="chosen_fold").value == 0
    assert page.query_params["validation"] == "10000"


def test_settings_that_do_not_fit_together_are_said(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """One sentence, no start, no traceback."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, validation="30000", fold="7")
    assert not page.exception
    assert "fold must be below 2" in page.error[0].value.replace("\\", "")
    assert "start" not in {button.key for button in page.button}


def test_finder_finds_a_rate_and_one_click_uses_it(open_page: Open, empty: Path):
    """The job is in the address and in no list; its suggestion fills the slider in."""
    page = open_page(PAGE, "group_schedule")
    page.button(key="find_rate").click().run()
    assert not page.exception
    job_id = page.query_params["rate_test"]
    wait_for(job_id, "finished")
    page.run()
    assert not page.exception
    use = page.button(key="use_rate")
    rate = float(use.label.removeprefix("Use "))
    assert 0.005 <= rate <= 0.2
    use.click().run()
    assert page.select_slider(key="chosen_learning_rate").value == rate
    page.button(key="close_rate").click().run()
    assert "rate_test" not in page.query_params
    assert client.list_runs() == []


def test_finder_draws_while_it_goes():
    """The whole range of rates from the start, so that nothing jumps; the suggestion only at the end."""
    test = RateTest(steps=100, lowest=0.001, highest=1.0)
    losses = [2.3 - 0.01 * step for step in range(50)]
    found = suggest(test, losses)
    assert found
    going, over = (settings.rate_test(test, losses, found, is_over=over) for over in (False, True))
    assert len(going.data[0].x) == len(over.data[0].x) == 50
    assert going.layout.xaxis.range == (-3, 0)
    assert over.layout.xaxis.range[1] == pytest.approx(np.log10(test.learning_rate(49)))
    assert not going.layout.shapes
    assert {shape.x0 for shape in over.layout.shapes} >= {found.learning_rate, found.lowest}


@pytest.mark.slow
def test_from_a_finished_run_to_the_comparison_with_the_tutorial(open_page: Open, empty: Path):
    """Without a tutorial run a button starts one; with one there is a link."""
    run_id = client.start(TrainingConfig(batch_size=6000, epochs=1))
    wait_for(run_id, "finished")
    page = open_page(PAGE, run=run_id)
    page.button(key="start_tutorial").click().run()
    assert not page.exception
    (tutorial,) = [run for run in client.list_runs() if run.id != run_id]
    assert tutorial.config == TrainingConfig()
    deadline = time.monotonic() + 200
    while not client.get(tutorial.id).latest and time.monotonic() < deadline:
        time.sleep(0.1)
    page.run()
    client.stop(tutorial.id)
    (link,) = [link for link in page.get("page_link") if link.proto.label.startswith("Compare with the tutorial")]
    assert link.proto.query_string == f"runs={run_id}%2C{tutorial.id}"


def test_drawn_schedule_is_the_one_that_training_uses():
    """The line's heights are the learning rates over the run."""
    config = TrainingConfig(schedule="one-cycle", learning_rate=0.1, epochs=2, batch_size=600)
    points = re.search(r'points="([^"]+)"', settings.schedule(config))
    assert points
    heights = np.array([float(point.split(",")[1]) for point in points[1].split()])
    rates = learning_rate_at(config, np.arange(200))
    assert len(heights) == 200
    bottom, top = heights.max(), heights.min()
    np.testing.assert_allclose((bottom - heights) / (bottom - top), rates / rates.max(), atol=0.01)


def test_shown_pictures_are_those_that_training_sees():
    """Row by row, what `training.batches` gives in each epoch for the same picture, pixel for pixel."""
    config = TrainingConfig(batch_size=500, shift=2, flip=True, erase=8, validation=10_000, seed=3)
    split = dataset.load("train")
    rows, indices = settings.augmented_rows(config, split, pictures=3, epochs=2)
    assert np.array_equal(rows[:, 0], split.images[indices])
    data = TrainingData.load(torch.device("cpu"))
    for epoch in range(2):
        kept = dataset.trained_on(60_000, 10_000)
        order = kept[dataset.epoch_order(50_000, 3, epoch)]
        for row, index in enumerate(indices):
            batch, offset = divmod(int(np.flatnonzero(order == index)[0]), 500)
            images, labels = next(batches(data, config, epoch, skip=batch))
            assert labels[offset] == int(split.labels[index])
            assert np.array_equal((images[offset, 0] * 255).round().byte().numpy(), rows[row, 1 + epoch])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (TrainingConfig(), "20 epochs of 3,000 steps: 60,000 weight updates, about 1 min 12 s on two processor cores"),
        (RECIPES["fast"].config, "3,100 of one epoch's 3,750 steps, about 1.2 s on two processor cores"),
        (TrainingConfig(step_limit=4_000), "4,000 of 20 epochs' 60,000 steps"),
        (RECIPES["gpu"].config, "about 1,000 hours on a CPU: needs a GPU"),
    ],
)
def test_what_a_start_takes_is_said_in_words(config: TrainingConfig, words: str):
    """Steps as they will be counted; a time where one is known; no run of a thousand hours offered without a word."""
    assert words in plan(config, [])


def test_folded_groups_say_what_they_change(open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch):
    """Nobody has to open a group to see that it is not the tutorial's."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, optimizer="muon", batch_size="256", flip="true", weight_decay="0.00001")
    said = [caption.value for caption in page.caption if caption.value.startswith("**")]
    assert said == ["**Muon, batch size 256, weight decay 0.00001**", "**mirrored**"]


def test_group_is_drawn_once_it_is_unfolded(open_page: Open, empty: Path):
    """A control that nobody sees is not drawn; what it stands at is trained all the same, before and after a look at it."""
    page = open_page(PAGE, batch_size="600", momentum="0.5", epochs="1", step_limit="3")
    assert not page.number_input
    page.session_state["group_optimizer"] = True
    page.run()
    assert [field.key for field in page.number_input] == ["chosen_batch_size"]
    assert page.number_input(key="chosen_batch_size").value == 600
    page.select_slider(key="chosen_momentum").set_value(0.8).run()
    page.session_state["group_optimizer"] = False
    page.run()
    assert not page.number_input
    page.button(key="start").click().run()
    assert not page.exception
    wanted = TrainingConfig(batch_size=600, momentum=0.8, epochs=1, step_limit=3)
    assert client.get(page.query_params["run"]).config == wanted


def test_form_keeps_its_values_over_a_visit_elsewhere(
    open_page: Open, trained: Trained, monkeypatch: pytest.MonkeyPatch
):
    """From another page the menu leads back to the settings as they were left; their run is another matter."""
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    page = open_page(PAGE, epochs="3", optimizer="adam")
    page.switch_page("app.py").run()
    assert not page.exception
    links = [link.proto for link in page.get("page_link") if link.proto.label == "4 · Train"]
    assert [link.query_string for link in links] == ["epochs=3&optimizer=adam"]


def test_reasons_for_the_gap_between_line_and_points_are_those_of_the_run():
    """Dropout where there is some, augmentation, another objective; the mean over an epoch always."""
    assert len(why_above(TrainingConfig())) == 2
    assert "40\u00a0% of the hidden units" in why_above(TrainingConfig())[0]
    assert len(why_above(TrainingConfig(dropout=0.0))) == 1
    assert len(why_above(TrainingConfig(architecture="linear"))) == 1
    assert len(why_above(TrainingConfig(flip=True, label_smoothing=0.1))) == 4

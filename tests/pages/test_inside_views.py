"""The views of Inside: surgery's figures, the ledger's maps, what a unit looks for; each against what is computed by hand."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from fmnist_core.data import dataset
from fmnist_core.inside.attribution import attribute, target
from fmnist_core.inside.edits import Edits
from fmnist_core.inside.units import excitement
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened, opened_steps
from fmnist_core.runs.service import inspection
from tests.pages.conftest import Open, Trained, words

PAGE = "pages/6_inside.py"


@pytest.fixture(autouse=True)
def _runs(trained: Trained, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FMNIST_RUNS", str(trained.folder))
    monkeypatch.setitem(inspection.MUTED_ON, "net", 300)


def given(page, word: str) -> dict:
    """What the component that knows `word` is given."""
    found = [json.loads(component.proto.json) for component in page.get("bidi_component")]
    return next(data for data in found if word in data)


def last(run_id: str):
    folder = client.folder(run_id)
    step = folder.logit_steps()[-1]
    return folder, step, opened(folder, step)


def test_surgery_is_scored_on_all_test_pictures(open_page: Open, trained: Trained):
    """Accuracy before and after, fixed and broken are counted from the patient's own logits; each edit can be undone."""
    _, _, network = last(trained.first)
    test, text = dataset.load("test"), "mute:conv1:2;quantise:4"
    before, after = (
        patient.logits(test.images).argmax(1) == test.labels
        for patient in (Edits().patient(network), Edits.parse(text, network).patient(network))
    )
    page = open_page(PAGE, run=trained.first, view="surgery", edits=text)
    assert not page.exception
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Accuracy now"] == f"{100 * after.mean():.2f}\u00a0%"
    assert figures["Before"] == f"{100 * before.mean():.2f}\u00a0%"
    assert figures["Fixed · broken"] == f"{(after & ~before).sum():,} · {(before & ~after).sum():,}"
    assert "conv1: channel 2 muted" in words(page).replace("\\", "").replace("\u2060", "")
    page.button(key="undo_0").click().run()
    assert page.query_params["edits"] in ("quantise:4", ["quantise:4"])


def test_a_change_is_one_click(open_page: Open, trained: Trained):
    """What the form is set to becomes a line of the list, in the address."""
    page = open_page(PAGE, run=trained.first, view="surgery", layer="conv2", unit="5")
    page.button(key="do_edit").click().run()
    assert page.query_params["edits"] in ("mute:conv2:5", ["mute:conv2:5"])
    assert not page.exception


def test_edits_that_do_not_fit_are_left_out(open_page: Open, trained: Trained):
    """A link for another network shows this one as it was trained, and says why."""
    page = open_page(PAGE, run=trained.first, view="surgery", edits="mute:conv9:2")
    assert not page.exception
    assert "no such layer" in words(page).lower()
    assert "edits" not in page.query_params


def test_the_maps_are_those_of_this_picture(open_page: Open, trained: Trained):
    """Each map is computed of the picture and the difference in the address, and of the network before training."""
    folder, _, network = last(trained.first)
    page = open_page(PAGE, run=trained.first, view="ledger", index="3", **{"for": "6", "rather_than": "0"})
    assert not page.exception
    data = given(page, "maps")
    assert (data["label"], data["against"], data["black"]) == (6, 0, False)
    assert [one["name"] for one in data["maps"]][-1] == "Grad-CAM"
    image, fresh = dataset.load("test").images[3], opened(folder, opened_steps(folder)[0])
    for one, kind in zip(data["maps"][:2], ("ledger", "integrated gradients"), strict=True):
        for values, net in ((one["trained"], network), (one["untrained"], fresh)):
            shown = np.frombuffer(base64.b64decode(values), np.float32).reshape(28, 28)
            np.testing.assert_allclose(shown, attribute(kind, net, image, target(6, 0)), atol=1e-5)


def test_a_unit_shows_what_excites_it(open_page: Open, trained: Trained):
    """The first of the pictures is the one with the unit's largest value of all 10,000; what it adds is measured."""
    folder, step, network = last(trained.first)
    for what in ("units", "muted"):
        inspection.main(str(folder.path), str(step), what)
        assert inspection.begin(folder, step, what) == "ready"
    page = open_page(PAGE, run=trained.first, view="units", layer="fc1", unit="4")
    assert not page.exception
    found = excitement(network, dataset.load("test").images[:500])["fc1"]
    kept = inspection.read(folder, step, "units")
    np.testing.assert_allclose(kept["fc1/values"][:500], found.values, rtol=2e-3, atol=2e-3)
    best = int(kept["fc1/values"][:, 4].argmax())
    if kept["fc1/values"][best, 4] > 0:
        assert f"index={best}" in given(page, "links")["links"][0]
    muted = inspection.read(folder, step, "muted")
    patient = Edits.parse("mute:fc1:4", network).patient(network)
    test = dataset.load("test")
    share = (patient.logits(test.images[:300]).argmax(1) == test.labels[:300]).mean()
    assert muted["fc1/accuracy"][4] == pytest.approx(share)
    assert f"Accuracy without it {100 * share:.2f}" in words(page)


def test_a_damaged_file_is_computed_again(trained: Trained):
    """What is kept beside the run is only quicker to read: half of it counts as nothing."""
    folder, step, _ = last(trained.second)
    file = folder.path / "inside" / f"{step:08d}.units.npz"
    inspection.main(str(folder.path), str(step), "units")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert inspection.read(folder, step, "units") is None
    inspection.main(str(folder.path), str(step), "units")
    assert file.read_bytes()[:100] == content[:100]

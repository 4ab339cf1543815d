"""Runs that belong together: several seeds, and cross-validation that covers every training image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fmnist_core.data.dataset import load
from fmnist_core.data.duplicates import Place
from fmnist_core.runs import client
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import State
from fmnist_core.studies import cross_validation, judgements, label_evidence, seeds
from fmnist_core.studies.cross_validation import LabelCheck
from tests.runs.lab import SMALL, Lab

SHORT = replace(SMALL, architecture="linear", step_limit=40, learning_rate=0.02)


@pytest.mark.thorough
def test_cross_validation_judges_every_training_image_once(lab: Lab):
    """Two runs, each holding out half: logits for all 60,000, each from the run that did not train on the picture."""
    ids = cross_validation.start_label_check(replace(SHORT, seed=77), 2, client.list_runs())
    for run_id in ids:
        lab.wait(client.folder(run_id), State.FINISHED)
    check = next(check for check in cross_validation.label_checks(client.list_runs()) if check.runs[0].id == ids[0])
    assert [run.config.fold for run in check.runs] == [0, 1]
    assert check.is_complete
    logits, labels = check.logits(), load("train").labels
    for fold, run in enumerate(check.runs):
        block = slice(30_000 * fold, 30_000 * (fold + 1))
        assert run.latest
        assert run.latest.validation
        right = (logits[block].argmax(axis=1) == labels[block]).mean()
        assert right == pytest.approx(run.latest.validation.accuracy, abs=1e-3)
    evidence = label_evidence.of_train(check)
    assert evidence.accuracy == pytest.approx((logits.argmax(axis=1) == labels).mean(), abs=1e-3)
    assert (evidence.probabilities.argmax(axis=1) != labels)[evidence.doubts.indices].all()

    half = LabelCheck(check.number, check.runs[:1])  # a hole: there is no answer for its images
    assert not half.is_complete
    with pytest.raises(ValueError, match="do not cover"):
        half.logits()


def test_runs_that_differ_in_the_seed_are_one_group(lab: Lab):
    """More seeds are ordinary runs with a common group and seeds of their own."""
    config = replace(SHORT, batch_size=700, seed=3)
    first = client.start(config, "Seeded")
    lab.wait(client.folder(first), State.FINISHED)
    group = next(g for g in seeds.by_seed(client.list_runs()) if g.id == first)
    added = seeds.train_more_seeds(group, 2)
    for run_id in added:
        lab.wait(client.folder(run_id), State.FINISHED)
    found = next(g for g in seeds.by_seed(client.list_runs()) if g.id == first)
    assert [run.id for run in found.runs] == [first, *added]
    assert [run.config.seed for run in found.runs] == [3, 0, 1]
    assert {run.group for run in found.runs} == {None, Group("seeds", first)}
    assert found.free_seeds(2) == [2, 4]


def test_verdicts_are_kept_and_taken_back(lab: Lab):
    """A small file beside the runs; the CSV names each label in words."""
    train, test = load("train"), load("test")
    judgements.judge(lab.runs, Place("test", 7), "wrong")
    judgements.judge(lab.runs, Place("train", 12), "unsure")
    judgements.judge(lab.runs, Place("test", 9), "right")
    judgements.judge(lab.runs, Place("test", 9), None)
    verdicts = judgements.read(lab.runs)
    assert verdicts == {Place("test", 7): "wrong", Place("train", 12): "unsure"}
    lines = judgements.to_csv(verdicts, {"train": train, "test": test}).splitlines()
    assert lines[0] == "split,index,label,class,verdict"
    assert lines[1] == f"test,7,{test.labels[7]},Shirt,wrong"
    assert len(lines) == 3
    (lab.runs / judgements.FILE).write_text('{"test/7": "maybe", "elsewhere/1": "wrong", "train/x": "wrong"}')
    assert judgements.read(lab.runs) == {}
    (lab.runs / judgements.FILE).write_text("torn {")
    assert judgements.read(lab.runs) == {}
    (lab.runs / judgements.FILE).unlink()


def test_the_mean_of_several_runs_judges_the_test_images(lab: Lab):
    """Probabilities are averaged, not logits: rows still sum to 1."""
    runs = [run for run in client.list_runs() if run.state is State.FINISHED][:2]
    evidence = label_evidence.of_test(runs)
    assert evidence.probabilities.shape == (10_000, 10)
    assert np.allclose(evidence.probabilities.sum(axis=1), 1, atol=1e-5)

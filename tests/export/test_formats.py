"""Each format is opened by the tool that it is for."""

from __future__ import annotations

import base64
import csv
import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fmnist_core.data import dataset
from fmnist_core.export import tables, trackers, weights
from fmnist_core.export.onnx_model import onnx_model
from fmnist_core.export.report import report
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Run
from fmnist_core.training.events import Measured
from tests.workshop import OPEN, Workshop

ARCHITECTURES: list[dict[str, Any]] = [
    {"architecture": "net", "standardise": True, "dropout": 0.1},
    {"architecture": "linear"},
    {"architecture": "perceptron"},
    {"architecture": "residual", "optimizer": "adam", "learning_rate": 0.01, "flip_test": True, "standardise": True},
    {"architecture": "deep", "optimizer": "adam", "learning_rate": 0.01},
    {"architecture": "wide", "optimizer": "adam", "learning_rate": 0.01, "batch_size": 20},
]
MARKS = {"residual": pytest.mark.thorough, "deep": pytest.mark.slow, "wide": pytest.mark.slow}
FEW = 50
"""Pictures for large networks."""


def small(workshop: Workshop, settings: dict[str, Any]) -> Run:
    """Trained for two steps; a large network is tested on few images."""
    architecture = settings["architecture"]
    tested_on = FEW if architecture in MARKS else 10_000
    return workshop.train(f"a few steps of {architecture}", tested_on=tested_on, **({"step_limit": 2} | settings))


def torch_logits(run: Run, pictures: np.ndarray) -> np.ndarray:
    """What our own network makes of them, from the checkpoint."""
    import torch

    from fmnist_core.evaluation.evaluate import evaluate
    from fmnist_core.networks.architectures import build

    checkpoint = client.folder(run.id).read_checkpoint()
    assert checkpoint
    with torch.random.fork_rng(devices=[]):
        net = build(run.config)
    net.load_state_dict({name: checkpoint[0][f"net.{name}"] for name in net.state_dict()})
    config, labels = run.config, np.zeros(len(pictures), np.uint8)
    return evaluate(net, torch.tensor(pictures), labels, standardise=config.standardise, flip=config.flip_test).logits


@pytest.mark.parametrize(
    "settings",
    [pytest.param(settings, marks=MARKS.get(settings["architecture"], ())) for settings in ARCHITECTURES],
    ids=[settings["architecture"] for settings in ARCHITECTURES],
)
def test_onnx(workshop: Workshop, settings: dict[str, Any]):
    """onnxruntime computes our logits of test images: same classes, 1e-5; standardised and mirrored inside the graph."""
    import onnxruntime

    run = small(workshop, settings)
    pictures = dataset.load("test").images[: 10_000 if settings["architecture"] == "net" else FEW]
    session = onnxruntime.InferenceSession(onnx_model(run), providers=["CPUExecutionProvider"])
    pixels = pictures[:, None].astype(np.float32) / 255
    parts = [session.run(["logits"], {"pixels": some})[0] for some in np.split(pixels, max(1, len(pixels) // 1000))]
    found, wanted = np.concatenate(parts), torch_logits(run, pictures)
    assert (found.argmax(1) == wanted.argmax(1)).all()
    assert np.abs(found - wanted).max() <= 1e-5 * max(1, np.abs(wanted).max())
    assert session.get_modelmeta().custom_metadata_map["run"] == run.id


@pytest.mark.parametrize("architecture", ["net", pytest.param("residual", marks=pytest.mark.thorough)])
def test_weights_and_card(workshop: Workshop, architecture: str, tmp_path: Path):
    """The lines in the card, run in a process of their own beside the file, give our network's logits."""
    run = small(workshop, next(settings for settings in ARCHITECTURES if settings["architecture"] == architecture))
    with zipfile.ZipFile(io.BytesIO(weights.weights(run))) as archive:
        archive.extractall(tmp_path)
    card = (tmp_path / "README.md").read_text()
    lines = card.partition("```python\n")[2].partition("```")[0]
    if architecture == "net":
        assert len(lines.splitlines()) <= 16
    pictures = dataset.load("test").images[:100]
    np.save(tmp_path / "pictures.npy", pictures)
    lines = lines.replace(
        "torch.zeros(1, 1, 28, 28, dtype=torch.uint8)", "torch.tensor(numpy.load('pictures.npy')[:, None])"
    )
    program = f"import numpy\n{lines}\nnumpy.save('logits.npy', logits.detach().numpy())"
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), torch_logits(run, pictures), atol=1e-5)
    assert run.latest
    test = run.latest.test
    assert sum(test.total) == (10_000 if architecture == "net" else FEW)
    assert f"**{test.accuracy:.2%}** of {sum(test.total):,} test images (95 % interval" in card
    assert "must not be used for" in card


def test_tables(workshop: Workshop, branched: Run):
    """pandas and csv read what the run recorded: every loss, every measurement, every prediction; rates as they were changed."""
    with zipfile.ZipFile(io.BytesIO(tables.tables(branched))) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    rows = list(csv.DictReader(io.StringIO(content["losses.csv"].decode())))
    assert [int(row["step"]) for row in rows] == list(range(121, 151))
    recorded = client.folder(branched.id).losses()
    assert np.array([row["loss"] for row in rows], np.float32).tobytes() == recorded.tobytes()
    predicted = pd.read_parquet(io.BytesIO(content["predictions.parquet"]))
    assert branched.latest
    assert (predicted.label == predicted.predicted).sum() == sum(branched.latest.test.correct)
    epochs = pd.read_csv(io.BytesIO(content["epochs.csv"]))
    assert epochs.test_accuracy.iloc[-1] == branched.latest.test.accuracy
    compile(content["log_to_mlflow.py"], "log_to_mlflow.py", "exec")
    steered = tables.losses(workshop.trained["first"])
    assert [float(steered.learning_rate[n]) for n in (19, 20, 74, 75)] == [0.1, 0.2, 0.2, 0.05]
    assert [float(steered.momentum[n]) for n in (19, 20, 75)] == [0.9, 0.8, 0.9]


def test_report(branched: Run):
    """One file that asks for nothing, with the figures that were recorded; names are text."""
    page = report(branched).decode()
    assert "third &lt;b&gt;*x*&lt;/b&gt; $y$" in page
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "url(" not in page
    assert branched.latest
    assert branched.latest.test
    assert f"<strong>{branched.latest.test.accuracy:.2%}</strong> of 10,000 test images" in page
    for correct in branched.latest.test.correct:
        assert f">{correct:,} of 1,000<" in page
    pictures = [base64.b64decode(found) for found in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    assert len(pictures) == 40
    index = int(re.findall(r'alt="Picture ([0-9]+): ', page)[0])
    shown = np.asarray(Image.open(io.BytesIO(pictures[0])))
    assert (255 - shown == dataset.load("test").images[index]).all()


def test_tensorboard(branched: Run, tmp_path: Path):
    """TensorBoard's own reader finds every loss and the accuracies."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with zipfile.ZipFile(io.BytesIO(trackers.tensorboard(branched))) as archive:
        archive.extractall(tmp_path)
    (folder,) = tmp_path.iterdir()
    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    losses = reader.Scalars("loss/batch")
    assert [event.step for event in losses] == list(range(121, 151))
    assert (
        np.array([event.value for event in losses], np.float32).tobytes()
        == client.folder(branched.id).losses().tobytes()
    )
    assert branched.latest
    assert reader.Scalars("accuracy/test")[-1].value == pytest.approx(branched.latest.test.accuracy)


def test_an_open_sweep_keeps_its_secret(workshop: Workshop):
    """No table, event or card of its runs tells a test result; the held-out images are told of instead."""
    run = workshop.train("candidate", group=OPEN, validation=10_000, fold=1)
    assert "test_accuracy" not in tables.epochs(run).columns
    predicted = tables.predictions(run)
    assert predicted is not None
    assert set(predicted.split) == {"train"}
    assert predicted["index"].tolist() == list(range(10_000, 20_000))
    card = weights.card(run)
    assert run.latest
    assert run.latest.validation
    assert f"**{run.latest.validation.accuracy:.2%}** of 10,000 held-out training images" in card
    with zipfile.ZipFile(io.BytesIO(tables.tables(run))) as archive:
        everything = b"".join(
            archive.read(name) for name in archive.namelist() if not name.endswith(".parquet")
        ).decode()
    raw = RunFolder(workshop.runs / run.id)
    everything += report(run).decode()
    hidden = [event.test for event in raw.events() if isinstance(event, Measured) and event.test]
    assert len(hidden) == 2
    for score in hidden:
        assert str(score.loss) not in card + everything
        assert f"<strong>{score.accuracy:.2%}" not in everything
        assert f"**{score.accuracy:.2%}**" not in card
        assert score.accuracy not in tables.epochs(run).drop(columns=["step", "epoch", "seconds"]).to_numpy()

"""A run's numbers as tables: CSV and Parquet, and the lines that log them to MLflow."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd

from fmnist_core.data.dataset import CLASSES
from fmnist_core.export.history import recorded_losses
from fmnist_core.export.results import results_of, score_of
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.schedules import learning_rate_at


def tables(run: Run) -> bytes:
    """A zip archive: `losses`, `epochs` and `predictions`, each as .csv and .parquet; `settings.json`; `log_to_mlflow.py`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in (("losses", losses(run)), ("epochs", epochs(run)), ("predictions", predictions(run))):
            if table is not None:
                archive.writestr(zipfile.ZipInfo(f"{name}.csv"), table.to_csv(index=False), zipfile.ZIP_DEFLATED)
                archive.writestr(zipfile.ZipInfo(f"{name}.parquet"), table.to_parquet(index=False))
        archive.writestr(zipfile.ZipInfo("settings.json"), json.dumps(run.config.to_dict(), indent=2))
        archive.writestr(zipfile.ZipInfo("log_to_mlflow.py"), mlflow_lines(run))
    return content.getvalue()


def losses(run: Run) -> pd.DataFrame:
    """A row for each step that the run took itself: step, epoch, loss, learning rate, momentum, as Trackio imports it."""
    steps, found = recorded_losses(run)
    rates, momenta = rates_of(run, steps - 1)
    return pd.DataFrame(
        {
            "step": steps,
            "epoch": steps / run.config.steps_per_epoch,
            "loss": found,
            "learning_rate": rates,
            "momentum": momenta,
        }
    )


def rates_of(run: Run, done: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Learning rate and momentum, (N,) float64 each, of the updates after so many steps: as scheduled and as changed."""
    rates, momenta = np.empty(len(done)), np.empty(len(done))
    marks = [run.first_step, *(change.step for change in run.changes)]
    for mark in marks:
        later = done >= mark
        config = run.config_at(mark)
        if later.any():
            rates[later] = learning_rate_at(config, done[later])
            momenta[later] = config.momentum
    return rates, momenta


def epochs(run: Run) -> pd.DataFrame:
    """A row for each measurement: loss and accuracy on the images of each kind that may be looked at."""
    rows = []
    for measured in run.measured:
        row = {"step": measured.step, "epoch": measured.epoch, "seconds": round(measured.seconds, 3)}
        scores = {"train": measured.train, "validation": measured.validation, "test": measured.test}
        for name, score in scores.items():
            if score is not None:
                row |= {f"{name}_loss": score.loss, f"{name}_accuracy": score.accuracy}
        rows.append(row)
    return pd.DataFrame(rows)


def predictions(run: Run) -> pd.DataFrame | None:
    """A row for each image that the run is judged by: index, true and predicted class, confidence, the ten logits."""
    results = results_of(run)
    if results is None or results.evaluation is None:
        return None
    found = results.evaluation
    columns: dict[str, object] = {
        "split": "train" if results.split == "validation" else "test",
        "index": results.indices,
        "label": results.labels,
        "label_name": np.array(CLASSES)[results.labels],
        "predicted": found.predictions,
        "predicted_name": np.array(CLASSES)[found.predictions],
        "confidence": found.confidences,
    }
    columns |= {f"logit_{number}": found.logits[:, number] for number in range(10)}
    return pd.DataFrame(columns)


def scores(run: Run) -> dict[str, float]:
    """The newest figures by name, for a tracker's summary."""
    score = score_of(run, run.latest) if run.latest else None
    return {"accuracy": score.accuracy, "loss": score.loss} if score else {}


def mlflow_lines(run: Run) -> str:
    """Python that logs the tables beside it to MLflow: run it where they were unpacked."""
    return f'''"""Logs a run of Fashion-MNIST Lab to MLflow: pip install mlflow pandas, then run this beside the tables."""

import json

import mlflow
import pandas as pd

mlflow.set_experiment("fashion-mnist-lab")
with mlflow.start_run(run_name={run.title!r}):
    mlflow.set_tags({{"run": {run.id!r}, "engine": {run.engine!r}, "device": {run.device!r}}})
    mlflow.log_params(json.load(open("settings.json")))
    for row in pd.read_csv("losses.csv").to_dict("records"):
        if row["step"] % 100 == 1:  # every hundredth step
            mlflow.log_metrics({{"loss": row["loss"], "learning_rate": row["learning_rate"]}}, step=row["step"])
    for row in pd.read_csv("epochs.csv").to_dict("records"):
        step = row.pop("step")
        mlflow.log_metrics({{name: value for name, value in row.items() if value == value}}, step=step)
    for name in ("losses.csv", "epochs.csv", "settings.json"):
        mlflow.log_artifact(name)
'''

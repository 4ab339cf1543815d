"""The record as a TensorBoard event file, which Weights & Biases and others import, too."""

from __future__ import annotations

import io
import tempfile
import zipfile
from datetime import datetime
from pathlib import Path

from fmnist_core.export import words
from fmnist_core.export.history import ExportRefused, recorded_losses
from fmnist_core.export.tables import rates_of
from fmnist_core.runs.files.record import Run


def tensorboard(run: Run) -> bytes:
    """A zip archive of one folder with an event file: every loss, the learning rate, and each measurement.

    Raises ExportRefused where the package tensorboard is not installed.
    """
    content = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        write_events(run, Path(folder))
        for path in sorted(Path(folder).iterdir()):
            archive.write(path, f"{words.slug(run)}/{path.name}")
    return content.getvalue()


def write_events(run: Run, folder: Path) -> None:
    """Write the event file into `folder`. Raises ExportRefused."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError as error:
        raise ExportRefused(
            "TensorBoard's files need the package tensorboard: pip install -r requirements-export.txt"
        ) from error

    began = datetime.fromisoformat(run.created_at).timestamp()
    writer = EventFileWriter(str(folder))

    def add(step: int, seconds: float, values: dict[str, float]) -> None:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        writer.add_event(Event(wall_time=began + seconds, step=step, summary=summary))

    steps, found = recorded_losses(run)
    rates, _momenta = rates_of(run, steps - 1)
    pace = run.seconds / max(1, run.step)
    for step, loss, rate in zip(steps.tolist(), found.tolist(), rates.tolist(), strict=True):
        add(step, step * pace, {"loss/batch": loss, "learning_rate": rate})
    for measured in run.measured:
        scores = {"train": measured.train, "validation": measured.validation, "test": measured.test}
        values = {f"loss/{name}": score.loss for name, score in scores.items() if score}
        values |= {f"accuracy/{name}": score.accuracy for name, score in scores.items() if score}
        add(measured.step, measured.seconds, values)
    writer.close()

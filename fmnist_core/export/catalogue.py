"""All that a run can be taken away as: what each is for, and how it is made."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass

from fmnist_core.export import archive, words
from fmnist_core.export.history import ExportRefused, last_step
from fmnist_core.export.notebook import notebook
from fmnist_core.export.onnx_model import onnx_model
from fmnist_core.export.report import report
from fmnist_core.export.tables import tables
from fmnist_core.export.trackers import tensorboard
from fmnist_core.export.weights import weights
from fmnist_core.runs.files.record import Run

COMMAND = "fashion-mnist-lab"
INSTALL = "pip install -r requirements-export.txt"


@dataclass(frozen=True)
class Export:
    """One of the ways in which a run leaves."""

    name: str
    """In the terminal."""
    title: str
    use: str
    """What it is for, in a sentence."""
    ending: str
    mime: str
    make: Callable[[Run], bytes]
    size: Callable[[Run], int]
    """About how many bytes it has, without making it."""
    package: str = ""
    """An optional package that it needs."""

    def file_name(self, run: Run) -> str:
        """What the file is called."""
        return f"{words.slug(run)}{self.ending}"

    def command(self, run: Run) -> str:
        """The terminal line that does the same."""
        return f"{COMMAND} export {run.id} {self.name}"

    def why_not(self, run: Run) -> str:
        """Why it cannot be made now, as a sentence; empty where it can."""
        if self.package and importlib.util.find_spec(self.package) is None:
            return f"It needs the package {self.package}: {INSTALL}"
        if self.name == "archive":
            return archive.why_not(run)
        if run.job or not last_step(run):
            return "There is no trained network yet: wait for the first checkpoint."
        return ""


def by_name(name: str) -> Export:
    """Raises KeyError."""
    return {export.name: export for export in EXPORTS}[name]


def _archive(run: Run) -> bytes:
    content = io.BytesIO()
    archive.write(run, content)
    return content.getvalue()


def _parameters(run: Run) -> int:
    """Bytes of the weights, from the size of a checkpoint without opening it: it holds them and the optimizer's state."""
    from fmnist_core.runs import client

    step = last_step(run)
    if step is None:
        return 0
    copies = {"sgd": 2, "nesterov": 2, "muon": 2, "adam": 3}[run.config.optimizer]
    return client.folder(run.id).checkpoint(step).stat().st_size // copies


EXPORTS: tuple[Export, ...] = (
    Export(
        name="notebook",
        title="Notebook",
        use="The run as a Jupyter notebook in the tutorial's style. It trains again, without this program, and compares "
        "itself with the run to the last bit.",
        ending=".ipynb",
        mime="application/x-ipynb+json",
        make=notebook,
        size=lambda run: 18_000 + 6 * run.step + 55_000 * (run.engine == "compiled"),
    ),
    Export(
        name="archive",
        title="Run folder",
        use="Everything about the run in one file, to keep, or to bring into another Fashion-MNIST Lab.",
        ending=".zip",
        mime="application/zip",
        make=_archive,
        size=archive.size,
    ),
    Export(
        name="weights",
        title="Weights",
        use="The trained network as safetensors, with a card that says what it is and the lines that load it into PyTorch.",
        ending="-weights.zip",
        mime="application/zip",
        make=weights,
        size=lambda run: 6_000 + _parameters(run),
    ),
    Export(
        name="onnx",
        title="ONNX",
        use="The trained network for other runtimes, from browsers to phones: pixels in, ten logits out.",
        ending=".onnx",
        mime="application/octet-stream",
        make=onnx_model,
        size=lambda run: 2_000 + _parameters(run),
        package="onnx",
    ),
    Export(
        name="report",
        title="Report",
        use="Settings, curves, classes, matrix and the worst mistakes on one page, to print or to hand in; it needs no network.",
        ending=".html",
        mime="text/html",
        make=report,
        size=lambda _run: 60_000,
    ),
    Export(
        name="tables",
        title="Tables",
        use="Losses, measurements, predictions and logits as CSV and Parquet, for pandas, a spreadsheet or Trackio; with "
        "the lines that log them to MLflow.",
        ending="-tables.zip",
        mime="application/zip",
        make=tables,
        size=lambda run: 900_000 + 40 * run.step,
    ),
    Export(
        name="tensorboard",
        title="TensorBoard",
        use="Every loss, the learning rate and the measurements as an event file; Weights & Biases imports it, too.",
        ending="-tensorboard.zip",
        mime="application/zip",
        make=tensorboard,
        size=lambda run: 2_000 + 16 * (run.step - run.first_step),
        package="tensorboard",
    ),
)
"""In the order of the menu."""

__all__ = ["EXPORTS", "Export", "ExportRefused", "by_name"]

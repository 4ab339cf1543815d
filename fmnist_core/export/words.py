"""What every export says in the same words: who trained what, and where."""

from __future__ import annotations

import platform
import re
import unicodedata
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import SETTINGS, TrainingConfig

ENGINES = {"torch": "PyTorch", "compiled": "the training step compiled as C"}


def plain(text: str) -> str:
    r"""`text` as Markdown that shows these characters: no HTML, links, pictures or formulas; line breaks become spaces.

    >>> print(plain("<b> $x$"))
    \<b\> \$x\$
    """
    tidy = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    return re.sub(r"[!-/:-@\[-`{-~]", lambda match: f"\\{match[0]}", tidy)


def label(name: str) -> str:
    """What a setting is called on the pages.

    >>> label("batch_size")
    'Batch size'
    """
    return SETTINGS[name].label


def changed_settings(config: TrainingConfig) -> dict[str, object]:
    """The settings that differ from the tutorial's, by name."""
    return {
        field.name: getattr(config, field.name)
        for field in fields(config)
        if getattr(config, field.name) != field.default
    }


def number(value: object) -> str:
    """A setting's value as a person writes it.

    >>> number(0.001), number(60_000), number(True)
    ('0.001', '60,000', 'yes')
    """
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
    return str(value)


def title(run: Run) -> str:
    """The run's name as Markdown, and its number."""
    return f"{plain(run.name)} (run {run.sequence})" if run.name else f"Run {run.sequence}"


def slug(run: Run) -> str:
    """How its files are called: letters, digits and hyphens.

    >>> from fmnist_core.settings.config import SETTINGS, TrainingConfig
    >>> slug(Run("0123456789ab", 7, "A <b>bold</b> name", "2026-01-01", TrainingConfig()))
    'run-7-a-b-bold-b-name'
    """
    words = re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-")[:40]
    return "-".join(filter(None, ("run", str(run.sequence), words)))


def torch_version() -> str:
    """The installed one, without importing it."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return "none"


def app_version() -> str:
    """The version of Fashion-MNIST Lab, from the file that says it."""
    import tomllib

    file = Path(__file__).parents[2] / "pyproject.toml"
    try:
        found: str = tomllib.loads(file.read_text(encoding="utf-8"))["project"]["version"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return version("fashion-mnist-lab")
    return found


def processor() -> str:
    """That of the machine, as the system calls it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

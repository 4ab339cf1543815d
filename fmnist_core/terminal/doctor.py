"""`fashion-mnist-lab doctor`: whether everything is there that training needs, each with a tick or the way out."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from fmnist_core.data import dataset
from fmnist_core.export.words import processor
from fmnist_core.runs import client
from fmnist_core.terminal import printing
from fmnist_core.training.compiled import library

REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"
GOOD, NOTE, BAD = "ok", "note", "fault"
MARKS = {GOOD: ("✓", "green"), NOTE: ("·", "yellow"), BAD: ("✗", "red")}

Finding = tuple[str, str]
"""GOOD, NOTE or BAD, and a sentence."""


def _python() -> Finding:
    return GOOD, f"Python {'.'.join(map(str, sys.version_info[:3]))} in {sys.prefix}"


def _packages() -> Finding:
    if not REQUIREMENTS.exists():
        return NOTE, "requirements.txt is not here: versions cannot be compared."
    wanted = dict(line.split("==") for line in REQUIREMENTS.read_text().splitlines() if "==" in line and line[0] != "#")
    missing, other = [], []
    for name, number in wanted.items():
        try:
            if version(name).partition("+")[0] != number:
                other.append(f"{name} {version(name)} instead of {number}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return BAD, f"Not installed: {', '.join(missing)}. Run: pip install -r requirements.txt"
    if other:
        return NOTE, f"Other versions than tested: {', '.join(other)}."
    return GOOD, f"Packages as tested, torch {version('torch')}, streamlit {version('streamlit')}"


def _data() -> Finding:
    try:
        images = sum(len(dataset.load(split)) for split in ("train", "test"))
    except dataset.DatasetError as error:
        return BAD, str(error)
    return GOOD, f"{images:,} images, verified, from {dataset.data_folder()}"


def _engine() -> Finding:
    if not library.is_wanted():
        return (
            NOTE,
            "The compiled training step is switched off (FMNIST_COMPILED=0): small networks train several times slower.",
        )
    if library.find():
        return GOOD, f"Compiled training step for {processor()}"
    if library.compiler():
        return NOTE, "The training step is not compiled yet: python -m fmnist_core.training.compiled (seconds)."
    return NOTE, "No C compiler: small networks train several times slower. On Debian and Ubuntu: apt install gcc"


def _devices() -> Finding:
    return GOOD, f"Devices: {', '.join(client.devices())}; {os.cpu_count()} cores"


def _permissions() -> Finding:
    runs = client.runs_folder()
    try:
        runs.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(runs, os.W_OK | os.X_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        return BAD, f"{runs} cannot be written to: no run can be started. Set FMNIST_RUNS to a folder that can."
    return GOOD, f"Runs in {runs} ({len(client.list_runs())})"


def _disk() -> Finding:
    runs = client.runs_folder()
    place = next(folder for folder in (runs, *runs.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if free < client.LEAST_FREE:
        return (
            BAD,
            f"Only {free / 1e6:,.0f} MB are free on the disk of {place}: a run needs {client.LEAST_FREE / 1e6:,.0f} MB.",
        )
    return GOOD, f"{free / 1e9:,.1f} GB free on the disk of the runs"


CHECKS: dict[str, Callable[[], Finding]] = {
    "python": _python,
    "packages": _packages,
    "data": _data,
    "engine": _engine,
    "permissions": _permissions,
    "disk": _disk,
    "devices": _devices,
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON for programs, with the keys of docs/terminal.md.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check what training needs.

    Data, engine, devices, disk, versions, permissions. Exit status 1 where one of them is at fault.
    """
    found = {name: check() for name, check in CHECKS.items()}
    if as_json:
        printing.as_json([{"check": name, "state": state, "says": says} for name, (state, says) in found.items()])
    else:
        for name, (state, says) in found.items():
            mark, colour = MARKS[state]
            click.echo(f"{click.style(mark, fg=colour)} {name:<12} {says}")
    if any(state == BAD for state, _says in found.values()):
        context.exit(1)

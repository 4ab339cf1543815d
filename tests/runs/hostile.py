"""Ways to spoil a file of a runs folder, and a dispatcher whose workers are only counted."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fmnist_core.evaluation.score import Score
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Claimed, Finished
from fmnist_core.runs.files.writing import EventWriter
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.events import Losses, Measured, Started

CONFIG = TrainingConfig(batch_size=600, epochs=1)
SCORE = Score(0.5, (900,) * 10, (1000,) * 10)


def finished(runs: Path, run_id: str, sequence: int) -> RunFolder:
    """A run with every kind of file, as a worker leaves it."""
    from safetensors.numpy import save

    run = RunFolder.create(runs, run_id, sequence, f"run {sequence}", CONFIG)
    writer = EventWriter(run.path)
    for event in (
        Claimed(1),
        Started(0, 100, 100, "cpu", 1, 27_480),
        Measured(0, 0, 0.0, SCORE, SCORE),
        Losses(0, (2.3,) * 100, 1.0),
        Measured(100, 1, 1.0, SCORE, SCORE),
        Finished(100),
    ):
        writer.write(event)
    writer.close()
    for step in (0, 100):
        run.write_logits(step, np.eye(10, dtype=np.float32))
        content = save({"net.fc2.bias": np.zeros(10, np.float32)}, {"step": str(step), "seconds": "1.0"})
        (run.path / "checkpoints" / f"{step:08d}.safetensors").write_bytes(content)
    run.write_weights({step: {"conv1.weight": np.zeros((2, 1, 3, 3), np.float32)} for step in (0, 100)})
    run.predictions()
    (run.path / "worker.lock").touch()
    (run.path / "worker.log").touch()
    return run


# --- Spoiling ------------------------------------------------------------------------------------------------------


def _gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def fifo(path: Path, _: random.Random) -> None:
    _gone(path)
    os.mkfifo(path)


def folder(path: Path, _: random.Random) -> None:
    _gone(path)
    (path / "inner").mkdir(parents=True)


def link_to_device(path: Path, _: random.Random) -> None:
    _gone(path)
    path.symlink_to("/dev/zero")


def link_to_itself(path: Path, _: random.Random) -> None:
    _gone(path)
    path.symlink_to(path.name)


def link_elsewhere(path: Path, _: random.Random) -> None:
    _gone(path)
    path.symlink_to("/etc/passwd")


def sparse(path: Path, _: random.Random) -> None:
    _gone(path)
    with open(path, "wb") as file:
        file.truncate(2 << 30)


def empty(path: Path, _: random.Random) -> None:
    _gone(path)
    path.write_bytes(b"")


def noise(path: Path, chance: random.Random) -> None:
    _gone(path)
    path.write_bytes(chance.randbytes(chance.choice((1, 100, 5000))))


def lines_of_noise(path: Path, chance: random.Random) -> None:
    _gone(path)
    path.write_bytes(b"\n".join(chance.randbytes(20) for _ in range(2000)) + b"\n")


def deep(path: Path, _: random.Random) -> None:
    _gone(path)
    path.write_bytes(b"[" * 100_000 + b"]" * 100_000 + b"\n")


def cut(path: Path, chance: random.Random) -> None:
    if path.is_file():
        content = path.read_bytes()
        path.write_bytes(content[: chance.randrange(len(content) + 1)])


def flip(path: Path, chance: random.Random) -> None:
    """Some bytes of it are others."""
    if path.is_file() and (content := bytearray(path.read_bytes())):
        for _ in range(chance.randint(1, 8)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)


VALUES = [
    None,
    True,
    -1,
    0,
    7,
    10**30,
    1.5,
    1e400,
    float("nan"),
    "",
    "x",
    "9" * 5000,
    "\ud800\0",
    [],
    [0],
    [None] * 10,
    {},
    {"a": 1},
]


def values(path: Path, chance: random.Random) -> None:
    """One value of each line of JSON is another."""
    if not path.is_file():
        return
    spoiled = []
    text = path.read_text(errors="replace")
    for line in [text] if path.suffix == ".json" else text.split("\n"):
        try:
            parts = [json.loads(line)]
            for part in parts:
                parts += [
                    inner for inner in (part.values() if isinstance(part, dict) else []) if isinstance(inner, dict)
                ]
            at = chance.choice([part for part in parts if part])
            at[chance.choice(sorted(at))] = chance.choice(VALUES)
            spoiled.append(json.dumps(parts[0]))
        except (ValueError, TypeError, IndexError):
            spoiled.append(line)
    path.write_text("\n".join(spoiled))


WAYS: list[Callable[[Path, random.Random], None]] = [
    fifo, folder, link_to_device, link_to_itself, link_elsewhere, sparse, empty, noise, lines_of_noise, deep, cut, flip, values,
]  # fmt: skip

FILES = (
    "config.json", "events.jsonl", "worker.lock", "worker.log", ".reserve",
    "requests", "requests/stop", "requests/pause", "requests/step", "requests/delete", "requests/change-00000000000000000007",
    "checkpoints", "checkpoints/00000000.safetensors", "checkpoints/00000100.safetensors", "checkpoints/x.safetensors",
    "snapshots", "snapshots/00000100.npy", "snapshots/predictions.npz", "snapshots/film", "snapshots/undeveloped",
    "snapshots/film/00000000-00000100.safetensors", "steps", "steps/00000007.npz", "features",
)  # fmt: skip
"""Of a run."""

OWN = (
    "index.sqlite", "index.sqlite-journal", ".sequence", ".film.lock", ".bell", ".sweeps", ".dispatcher.lock",
    "dispatcher.log", "label-judgements.json", "0123456789ab", ".deleted-0123456789ab",
)  # fmt: skip
"""Of the runs folder."""

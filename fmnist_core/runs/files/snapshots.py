"""What the time slider reads: weights and predictions of a run at about a hundred steps, without torch.

    snapshots/STEP.npy                logits on the test images, (10,000, 10) float16, or float32 where they are larger; step 0 is before training
    snapshots/STEP.validation.npy     the same on the held-out validation images, where there are some
    snapshots/film/FIRST-LAST.safetensors
                                      weights at several steps: each tensor stacked along a first axis, "steps" in the
                                      metadata
    snapshots/undeveloped             is there while weights are kept whose logits have not been computed
    snapshots/predictions.npz         made from the logits and made again at any time: only quicker to read

Each file appears complete or not at all. None is synced: a power cut may take the newest, training may not wait for it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.files import Unreadable, make_folder, write_whole
from fmnist_core.runs.files.arrays import is_readable, read_archive, read_array

Split = Literal["test", "validation"]
Weights = Mapping[str, npt.NDArray[np.float32]]
"""Tensors of a network by name, such as "conv1.weight"."""

HIGHEST_FLOAT16 = float(np.finfo(np.float16).max)
"""65,504: logits beyond it are kept as float32, because their losses would be others."""

_STEP = re.compile(r"[0-9]{8}")
_SUFFIX: dict[Split, str] = {"test": ".npy", "validation": ".validation.npy"}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What the network said about each test image at each snapshot."""

    steps: npt.NDArray[np.int64]
    """(S,) int64, ascending."""
    classes: npt.NDArray[np.uint8]
    """(S, N) uint8: the class of the highest logit."""
    confidences: npt.NDArray[np.float32]
    """(S, N) float32 in [0, 1]: the probability given to that class (softmax), to three digits."""


@dataclass(frozen=True)
class Snapshots:
    """The folder `snapshots` of a run."""

    path: Path

    # --- Logits ----------------------------------------------------------------------------------------------------

    def write_logits(self, step: int, logits: npt.NDArray[np.float32], split: Split = "test") -> None:
        """Keep the logits, (N, 10), as they were after `step`."""
        content = io.BytesIO()
        np.save(content, logits if np.abs(logits).max(initial=0) > HIGHEST_FLOAT16 else as_float16(logits))
        self._write(f"{step:08d}{_SUFFIX[split]}", content.getvalue())

    def logits(self, step: int, split: Split = "test") -> npt.NDArray[np.float32]:
        """What `write_logits` kept, (N, 10) float32. Raises FileNotFoundError when there is nothing for this step, Unreadable."""
        return _logits(self.path / f"{step:08d}{_SUFFIX[split]}").astype(np.float32)

    def logit_steps(self, split: Split = "test") -> list[int]:
        """The steps that `logits` knows, ascending; 0 is before training."""
        parts = (name.partition(".") for name in self._names())
        return sorted(
            int(step) for step, dot, suffix in parts if _STEP.fullmatch(step) and dot + suffix == _SUFFIX[split]
        )

    def logits_of(self, image: int, steps: Sequence[int]) -> npt.NDArray[np.float32]:
        """(len(steps), 10) float32: the logits of one test image. Reads no more than those."""
        paths = (self.path / f"{step:08d}{_SUFFIX['test']}" for step in steps)
        found = [_logits(path, mapped=True)[image] for path in paths]
        return np.array(found, np.float32).reshape(-1, 10)

    def predictions(self) -> Predictions:
        """Of every snapshot whose logits are there; a file that cannot be read is left out.

        Keeps what it finds beside the logits, so that the next time takes milliseconds.
        """
        steps = self.logit_steps()
        known = self._kept_predictions()
        if known and known.steps.tolist() == steps:
            return known
        rows = {int(s): (known.classes[n], known.confidences[n]) for n, s in enumerate(known.steps)} if known else {}
        found: dict[int, tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]] = {}
        for step in steps:
            try:
                found[step] = rows[step] if step in rows else _winners(self.logits(step))
            except (OSError, ValueError):
                continue
        same = {len(row[0]) for row in found.values()}
        if len(same) != 1:
            return Predictions(np.empty(0, np.int64), np.empty((0, 0), np.uint8), np.empty((0, 0), np.float32))
        predictions = Predictions(
            np.array(list(found), np.int64),
            np.stack([row[0] for row in found.values()]),
            np.stack([row[1] for row in found.values()]),
        )
        self._keep_predictions(predictions)
        return predictions

    def _kept_predictions(self) -> Predictions | None:
        try:
            kept = read_archive(self.path / "predictions.npz")
            steps, classes, confidences = kept["steps"], kept["classes"], kept["confidences"]
        except (OSError, ValueError, KeyError):
            return None
        is_ours = steps.dtype == np.int64 and classes.dtype == np.uint8 and confidences.dtype == np.float16
        fits = (
            steps.ndim == 1 and classes.ndim == 2 and classes.shape == confidences.shape and len(classes) == len(steps)
        )
        return Predictions(steps, classes, confidences.astype(np.float32)) if is_ours and fits else None

    def _keep_predictions(self, predictions: Predictions) -> None:
        content = io.BytesIO()
        np.savez(
            content,
            steps=predictions.steps,
            classes=predictions.classes,
            confidences=predictions.confidences.astype(np.float16),
        )
        with contextlib.suppress(OSError):  # no room, read-only, or another is as far: it is only quicker with it
            for left in self.path.glob(".predictions.npz.*.tmp"):  # by a process that was killed
                left.unlink(missing_ok=True)
            self._write("predictions.npz", content.getvalue(), by_several=True)

    # --- Weights ---------------------------------------------------------------------------------------------------

    def write_weights(self, weights: Mapping[int, Weights]) -> None:
        """Keep the weights after several steps, in one file."""
        from safetensors.numpy import save

        if not weights:
            return
        steps = sorted(weights)
        stacked = {name: np.stack([weights[step][name] for step in steps]) for name in weights[steps[0]]}
        make_folder(self.path / "film")
        (self.path / "undeveloped").touch()
        name = f"film/{steps[0]:08d}-{steps[-1]:08d}.safetensors"
        self._write(name, save(stacked, {"steps": json.dumps(steps)}))

    def weight_steps(self) -> list[int]:
        """The steps that `weights` knows, ascending."""
        return sorted(self._where)

    def weights(self, step: int) -> dict[str, npt.NDArray[np.float32]]:
        """The network's tensors by name, as they were after `step`. Raises FileNotFoundError when they were not kept."""
        from safetensors import SafetensorError, safe_open

        if step not in self._where:
            raise FileNotFoundError(f"the weights after step {step} were not kept")
        path, row = self._where[step]
        try:
            with safe_open(path, "np") as file:
                return {name: file.get_slice(name)[row] for name in file.keys()}  # noqa: SIM118 - not a dict
        except (SafetensorError, IndexError, TypeError) as error:
            raise Unreadable(f"{path} cannot be read: {error}.") from error

    def first_filters(self) -> tuple[list[int], npt.NDArray[np.float32]]:
        """The weights that touch the pixels, as pictures: steps, and (S, filters, height, width) float32.

        Of a convolution its kernels over the one gray channel, such as 3 x 3; of a linear layer 28 x 28 for each unit.
        """
        from safetensors import SafetensorError, safe_open

        steps: list[int] = []
        found: list[npt.NDArray[np.float32]] = []
        for path in self._films():
            with (
                contextlib.suppress(SafetensorError, OSError, KeyError, TypeError, ValueError),
                safe_open(path, "np") as film,
            ):
                shapes = {name: film.get_slice(name).get_shape()[1:] for name in film.keys()}  # noqa: SIM118 - not a dict
                for name, shape in shapes.items():
                    if (len(shape) == 4 and shape[1] == 1) or (len(shape) == 2 and shape[1] == 28 * 28):
                        values = film.get_tensor(name)
                        found.append(values[:, :, 0] if len(shape) == 4 else values.reshape(*values.shape[:2], 28, 28))
                        steps += [int(step) for step in json.loads(film.metadata()["steps"])]
                        break
        return steps, np.concatenate(found) if found else np.empty((0, 0, 0, 0), np.float32)

    def thin_out(self, most: int) -> None:
        """Keep the weights of `most` bytes at most: the first, the last, and some spread evenly between them."""
        steps = self.weight_steps()
        total = sum(path.stat().st_size for path in self._films())
        if total <= most or len(steps) <= 2:
            return
        wanted = max(2, int(len(steps) * most / total))
        kept = {steps[round(n)] for n in np.linspace(0, len(steps) - 1, wanted)}
        old = self._films()
        self.write_weights({step: self.weights(step) for step in sorted(kept)})
        for path in old:
            if path.name != f"{steps[0]:08d}-{steps[-1]:08d}.safetensors":
                path.unlink(missing_ok=True)

    @property
    def _where(self) -> dict[int, tuple[Path, int]]:
        """File and row of each step."""
        from safetensors import SafetensorError, safe_open

        where = {}
        for path in self._films():
            try:
                with safe_open(path, "np") as file:
                    steps = json.loads(file.metadata()["steps"])
                where.update({int(step): (path, row) for row, step in enumerate(steps)})
            except (SafetensorError, OSError, KeyError, TypeError, ValueError):
                continue  # damaged
        return where

    def _films(self) -> list[Path]:
        return sorted(filter(is_readable, (self.path / "film").glob("[0-9]*.safetensors")))

    def undeveloped(self) -> list[int]:
        """Steps whose weights are kept and whose logits have not been computed yet, ascending."""
        return sorted(set(self.weight_steps()) - set(self.logit_steps()))

    @property
    def is_developed(self) -> bool:
        """Whether all logits that will be there are there."""
        return not (self.path / "undeveloped").exists()

    def set_developed(self) -> None:
        """All logits have been computed."""
        (self.path / "undeveloped").unlink(missing_ok=True)

    # --- Files -----------------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.path)
        except OSError:
            return []

    def _write(self, name: str, content: bytes, *, by_several: bool = False) -> None:
        write_whole(self.path / name, content, durable=False, by_several=by_several)


def _logits(path: Path, *, mapped: bool = False) -> npt.NDArray[np.float16] | npt.NDArray[np.float32]:
    logits = read_array(path, mapped=mapped)
    if logits.dtype not in (np.float16, np.float32) or logits.ndim != 2 or logits.shape[1] != 10:
        raise Unreadable(f"{path} holds no logits.")
    return logits


def as_float16(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float16]:
    """Half the bytes, the same winner in each row, so that no image changes sides: a rounded tie is broken again.

    >>> close = np.array([[1.0, 1.0001]], np.float32)
    >>> close.astype(np.float16).argmax(1).item(), as_float16(close).argmax(1).item()
    (0, 1)
    """
    rounded = np.clip(logits, -HIGHEST_FLOAT16, HIGHEST_FLOAT16).astype(np.float16)
    winners = logits.argmax(axis=1)
    for row in np.flatnonzero(rounded.argmax(axis=1) != winners):
        ties = rounded[row] >= rounded[row, winners[row]]
        ties[winners[row]] = False
        rounded[row, ties] = np.nextafter(rounded[row, winners[row]], np.float16(-np.inf))
    return rounded


def _winners(logits: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Class and probability of each row's highest logit; of equal ones the first."""
    columns = np.ascontiguousarray(logits.T)  # (10, N): along rows of ten NumPy takes five times as long
    largest = columns.max(axis=0)
    classes = np.where(columns == largest, np.arange(10, dtype=np.uint8)[:, None], np.uint8(9)).min(axis=0)
    shares = np.exp(columns - largest).sum(axis=0)  # 1 / the winner's probability
    return classes, (1 / shares).astype(np.float32)


def spread(first: int, last: int, count: int) -> list[int]:
    """At most `count` steps from `first` to `last`, both among them, dense at the start and logarithmic after.

    >>> spread(0, 60_000, 12)
    [0, 1, 3, 9, 27, 82, 245, 736, 2212, 6645, 19968, 60000]
    >>> spread(0, 5, 12), spread(0, 60_000, 2)
    ([0, 1, 2, 3, 4, 5], [0, 60000])
    """
    length = last - first
    if length < count:
        return list(range(first, last + 1))
    points, steps = max(count, 3), [0, length]  # of one point the spacing would be without its end
    while len(more := sorted({0, *(round(x) for x in np.geomspace(1, length, points - 1))})) <= count:
        steps, points = more, points + 1  # the first ones round to the same step
    return [first + step for step in steps]

"""Whether a worker may take another run: only where the last one has left nothing behind that the next could feel.

What can be left is named here one by one. Whatever is in doubt ends the worker, and a fresh one takes the next run: that
costs seconds, and a run that came out otherwise because of the one before it would cost the promise that it can be repeated.
"""

from __future__ import annotations

import ctypes
import gc
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from fmnist_core.runs.files.record import State
from fmnist_core.runs.service.recorder import Recorder
from fmnist_core.training.state import TrainingData

USUAL_ENDS = (State.FINISHED, State.STOPPED)

INDUCTORS = "TORCHINDUCTOR_CACHE_DIR"
"""Set by the first optimizer of a process: where `torch.compile`, which is not used here, would keep its files."""

MORE_MEMORY = 256 << 20
"""Bytes that a worker may hold beyond what it held after its first run."""


@dataclass(frozen=True)
class Surroundings:
    """What a run shares with all that happens in its process, and could change for the next one."""

    threads: int
    threads_between_operations: int
    number_format: torch.dtype
    device: torch.device
    is_deterministic: bool
    precision_of_products: str
    has_onednn: bool
    tries_kernels: bool
    has_gradients: bool
    is_in_inference: bool
    has_autocast: bool
    looks_for_anomalies: bool
    python_threads: int
    floating_point_errors: tuple[tuple[str, str], ...]
    environment: int
    folder: str
    mask: int
    priority: int

    @classmethod
    def now(cls) -> Surroundings:
        """As this process stands."""
        os.umask(mask := os.umask(0o077))
        return cls(
            torch.get_num_threads(),
            torch.get_num_interop_threads(),
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch._C._get_mkldnn_enabled(),
            torch.backends.cudnn.benchmark,
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.is_anomaly_enabled(),
            threading.active_count(),
            tuple(sorted((kind, str(does)) for kind, does in np.geterr().items())),
            hash(frozenset((name, value) for name, value in os.environ.items() if name != INDUCTORS)),
            str(Path.cwd()),
            mask,
            os.getpriority(os.PRIO_PROCESS, 0),
        )

    def differences(self, other: Surroundings) -> list[str]:
        """The names of what is not as it was."""
        names = [field.name for field in fields(self)]
        return [name.replace("_", " ") for name in names if getattr(self, name) != getattr(other, name)]


def flushes_denormals() -> bool:
    """Whether numbers below float32's normal range are zero on all threads, as every run asks for."""
    return not bool((torch.full((1 << 20,), 1e-40) * 1.0).any())


def fingerprint(data: TrainingData) -> int:
    """Of all images and labels: the one thing that is handed from run to run."""
    number = 0
    for tensor in (data.images, data.labels, data.test_images, data.test_labels):
        number = zlib.crc32(tensor.contiguous().numpy().data, number)
    return number


def memory() -> int:
    """Bytes that this process holds; 0 where the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


class Reuse:
    """Watches over the runs of one worker."""

    def __init__(self) -> None:
        self.doubt = ""
        """Why no other run may follow here."""
        self._data: TrainingData | None = None
        self._fingerprint = self._memory = 0

    @contextmanager
    def watched(self, recorder: Recorder) -> Iterator[None]:
        """Around one run, from before anything of it changes torch's settings. An error leaves the doubt standing."""
        self.doubt = "the run has failed"
        before = Surroundings.now()
        yield
        torch.set_num_threads(before.threads)  # a run that other programs have slowed may end on one thread
        recorder.state = recorder.meanwhile = None
        gc.collect()
        with suppress(OSError, AttributeError):  # another allocator than glibc's
            ctypes.CDLL(None).malloc_trim(0)
        self.doubt = self._doubt(recorder, before.differences(Surroundings.now()))

    def _doubt(self, recorder: Recorder, different: list[str]) -> str:
        state, data = recorder.recorded.state, recorder.data
        if state not in USUAL_ENDS:
            return f"the run is {state}"
        if data is None or data.images.device.type != "cpu":
            return "it was on a device that keeps a state of its own"
        if different:
            return f"the run has changed {', '.join(different)}"
        if not flushes_denormals():
            return "the run has ended with denormal numbers"
        self._memory = self._memory or memory()  # after the first run: from then on there is nothing new to be loaded
        if (more := memory() - self._memory) > MORE_MEMORY:
            return f"{more >> 20} MB more are held than after the first run"
        number = fingerprint(data)
        if data is self._data and number != self._fingerprint:
            return "the images in memory have changed"
        self._data, self._fingerprint = data, number
        return ""

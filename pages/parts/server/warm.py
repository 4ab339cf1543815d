"""What the first page would wait for, done while its browser fetches the app's own files."""

from __future__ import annotations

import contextlib
from importlib import import_module
from threading import Thread

from fmnist_core.data import dataset


def get_warm() -> Thread:
    """Begin: the data set is verified, and pandas imported, which Streamlit takes at its first component."""
    thread = Thread(target=_everything, name="warm", daemon=True)
    thread.start()
    return thread


def _everything() -> None:
    with contextlib.suppress(dataset.DatasetError):  # pages say what is wrong with it
        dataset.load("test")
        dataset.load("train")
    import_module("pandas")

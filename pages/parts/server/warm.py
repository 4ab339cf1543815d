"""What the first page would wait for, done while its browser fetches the app's own files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from importlib import import_module
from threading import Thread

from PIL import Image

from fmnist_core.data import dataset
from pages.parts import streamlit_inside

TURN = 0.0005
"""Seconds after which an import lets another thread work. With the usual 5 ms each of 60 files would wait that long, several times."""


@contextlib.asynccontextmanager
async def warm(_app: object) -> AsyncIterator[None]:
    """The application's life: gets warm as soon as it runs, and not before, so that the server listens earlier."""
    streamlit_inside.ask_for_no_terminal()
    get_warm()
    yield


def get_warm() -> Thread:
    """Begin: the data set is verified; pandas is imported, which Streamlit takes at its first component, and formats of pictures."""
    thread = Thread(target=_everything, name="warm", daemon=True)
    thread.start()
    return thread


def _everything() -> None:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        with contextlib.suppress(dataset.DatasetError):  # pages say what is wrong with it
            dataset.load("test")
            dataset.load("train")
        Image.preinit()
        import_module("pandas")
    finally:
        sys.setswitchinterval(usual)

"""The life of the server: how its threads take turns, and what pages would wait for, done before.

The least while the first page's browser fetches the app's own files, the rest once it is quiet.
"""

from __future__ import annotations

import contextlib
import gc
import sys
import time
from collections.abc import AsyncIterator
from importlib import import_module
from threading import Thread

from PIL import Image
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fmnist_core.data import dataset
from fmnist_core.runs import bell
from pages.parts import streamlit_inside

QUIET, LATEST = 1.0, 10.0
"""Seconds in which nobody has asked or been told anything; seconds after which the rest is done in any case."""
LOOK_EVERY = 0.05
TURN = 0.0005
"""Seconds after which a thread that computes lets another one work. With the usual 5 ms each message to a browser would wait that
long for the interpreter while somebody's page is drawn, and each of the app's 60 files several times while the first imports go on."""


@contextlib.asynccontextmanager
async def warm(_app: object) -> AsyncIterator[None]:
    """The application's life: gets warm as soon as it runs, and not before, so that the server listens earlier."""
    streamlit_inside.ask_for_no_terminal()
    streamlit_inside.ask_for_no_tables()
    streamlit_inside.keep_the_theme()
    streamlit_inside.keep_the_pages()
    streamlit_inside.look_up_one_value()
    streamlit_inside.send_together()
    bell.hold()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    get_warm()
    yield
    bell.Held.is_on = False  # so that nothing is started any more
    sys.setswitchinterval(usual)


class Heard:
    """ASGI middleware: notes when something was asked or told last, until everything is warm."""

    last = 0.0
    """On the clock of `time.monotonic`."""
    is_over = False

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        if Heard.is_over:
            await self.app(scope, receive, send)
            return

        async def receiving() -> Message:
            message = await receive()
            Heard.last = time.monotonic()
            return message

        async def sending(message: Message) -> None:
            Heard.last = time.monotonic()
            await send(message)

        Heard.last = time.monotonic()
        await self.app(scope, receiving, sending)


def get_warm() -> Thread:
    """Begin: the data set is verified, formats of pictures are found. In a quiet moment, pandas is imported for Test and Compare; in the
    first one after a look at the runs, the dispatcher is started, whose first worker takes seconds of a processor to get warm.
    """
    thread = Thread(target=_everything, name="warm", daemon=True)
    thread.start()
    return thread


def _everything() -> None:
    Heard.last = began = time.monotonic()
    with contextlib.suppress(dataset.DatasetError):  # pages say what is wrong with it
        dataset.load("test")
        dataset.load("train")
    Image.preinit()
    _wait_until_quiet(began)
    import_module("pandas")  # 0.36 s, in which other threads are held up
    gc.freeze()  # modules stay: to look through them at each full collection held everybody up for 0.1 s
    bell.Held.wanted.wait()
    _wait_until_quiet(time.monotonic())
    Heard.is_over = True
    if bell.Held.is_on:  # nobody has had it started meanwhile
        bell.release()
        bell.ensure_dispatcher()


def _wait_until_quiet(began: float) -> None:
    while (now := time.monotonic()) - Heard.last < QUIET and now - began < LATEST:
        time.sleep(LOOK_EVERY)

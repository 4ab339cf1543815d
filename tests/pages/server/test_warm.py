"""What the first page would wait for is done while its browser fetches the app's own files."""

from __future__ import annotations

import sys
import threading

import pytest
from PIL import Image
from streamlit import delta_generator, env_util

from pages.parts import streamlit_inside
from pages.parts.server import warm
from tests.coroutines import finished


def test_begins_when_the_server_runs():
    """Beside it, so that nobody waits; afterwards threads take turns as usual."""
    usual = sys.getswitchinterval()

    async def live() -> list[threading.Thread]:
        async with warm.warm(None):
            return [thread for thread in threading.enumerate() if thread.name == "warm"]

    for thread in finished(live()):
        thread.join()
    assert "pandas" in sys.modules
    assert "PNG" in Image.SAVE
    assert sys.getswitchinterval() == usual


def test_looks_for_no_terminal(monkeypatch: pytest.MonkeyPatch):
    """Streamlit would go through the files of all modules before the first element of a process."""
    looked = []
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    monkeypatch.setattr(env_util, "is_repl", lambda: looked.append(1) or True)
    delta_generator._maybe_print_use_warning()
    assert looked
    monkeypatch.setattr(delta_generator, "_use_warning_has_been_displayed", False)
    streamlit_inside.ask_for_no_terminal()
    looked.clear()
    delta_generator._maybe_print_use_warning()
    assert not looked

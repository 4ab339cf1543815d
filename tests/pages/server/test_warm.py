"""What pages would wait for is done before: part of it while the first one's browser fetches files, the rest once it is quiet."""

from __future__ import annotations

import asyncio
import gc
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from starlette.types import Message, Receive, Scope, Send
from streamlit import dataframe_util, delta_generator, env_util
from streamlit.components.v2.bidi_component import serialization
from streamlit.navigation import page as menu
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime import app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.runtime.state.safe_session_state import SafeSessionState
from streamlit.runtime.state.session_state import SessionState
from streamlit.testing.v1 import AppTest

from fmnist_core.runs import bell, client
from fmnist_core.settings.config import TrainingConfig
from pages.parts import frame, streamlit_inside
from pages.parts.server import warm
from tests.coroutines import finished


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is imported, and started, once it is quiet."""
    names: list[str] = []
    monkeypatch.setattr(warm, "import_module", lambda name: names.append(name) or import_module(name))
    monkeypatch.setattr(bell, "ensure_dispatcher", lambda: names.append("dispatcher"))
    yield names
    bell.release()
    warm.Heard.is_over = False
    gc.unfreeze()


def test_begins_when_the_server_runs(monkeypatch: pytest.MonkeyPatch, imported: list[str]):
    """Beside it, so that nobody waits; threads take shorter turns as long as it lives, and modules are no longer looked through."""
    usual = sys.getswitchinterval()
    monkeypatch.setattr(warm, "QUIET", 0.0)
    monkeypatch.setattr(AppSession, "_on_scriptrunner_event", AppSession._on_scriptrunner_event)
    monkeypatch.setattr(AppSession, "flush_browser_queue", AppSession.flush_browser_queue)
    monkeypatch.setattr(app_session, "_populate_theme_msg", app_session._populate_theme_msg)
    monkeypatch.setattr(menu, "_create_page", menu._create_page)
    monkeypatch.setattr(SafeSessionState, "filtered_state", SafeSessionState.filtered_state)

    async def live() -> None:
        async with warm.warm(None):
            assert bell.Held.is_on
            bell.Held.wanted.set()  # somebody looks
            for thread in [thread for thread in threading.enumerate() if thread.name == "warm"]:
                await asyncio.to_thread(thread.join)

    finished(live())
    assert imported == ["pandas", "dispatcher"]
    assert "PNG" in Image.SAVE
    assert sys.getswitchinterval() == usual
    assert gc.get_freeze_count() > 0
    assert warm.Heard.is_over


def test_starts_nothing_once_the_server_has_ended(monkeypatch: pytest.MonkeyPatch, imported: list[str]):
    """Nor where somebody has had a run started before it was quiet: that has started the dispatcher."""
    monkeypatch.setattr(warm, "QUIET", 0.0)
    bell.hold()
    thread = warm.get_warm()
    bell.release()
    thread.join()
    assert imported == ["pandas"]


@pytest.mark.parametrize("setting", ["QUIET", "LATEST"])
def test_waits_for_a_quiet_moment(monkeypatch: pytest.MonkeyPatch, imported: list[str], setting: str):
    """As long as somebody is asking, nothing large is imported or started; then it is, and in any case after a while."""
    monkeypatch.setattr(warm, "QUIET", math.inf)
    monkeypatch.setattr(warm, "LATEST", math.inf)
    bell.hold()
    bell.Held.wanted.set()
    thread = warm.get_warm()
    thread.join(0.2)
    assert thread.is_alive()
    assert imported == []
    monkeypatch.setattr(warm, setting, 0.0)
    thread.join()
    assert imported == ["pandas", "dispatcher"]


def test_a_look_starts_no_dispatcher_while_the_first_page_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """It is remembered instead; whoever starts a run has it started at once."""
    started = []

    def start(runs: Path) -> subprocess.Popen[bytes]:
        started.append(runs)
        return subprocess.Popen(["true"])

    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    monkeypatch.setattr(bell, "start_dispatcher", start)
    bell.hold()
    try:
        assert not bell.Held.wanted.is_set()
        assert client.list_runs() == []
        assert bell.Held.wanted.is_set()
        assert started == []
        client.start(TrainingConfig())
        assert started == [tmp_path]
    finally:
        bell.release()
        bell.last_start(tmp_path)


def test_hears_what_is_asked_and_told():
    """The clock of the quiet begins anew with each request, and with each message in either direction; not once all is warm."""
    heard = []

    def noted() -> bool:
        was, warm.Heard.last = warm.Heard.last, -1.0
        heard.append(was > 0)
        return was > 0

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        noted()
        await receive()
        noted()
        await send({"type": "websocket.send", "text": "."})

    async def told() -> Message:
        return {"type": "websocket.receive", "text": "."}

    async def taken(_message: Message) -> None:
        noted()

    for is_over in (False, True):
        warm.Heard.is_over = is_over
        warm.Heard.last = -1.0
        finished(warm.Heard(app)({"type": "websocket"}, told, taken))
    warm.Heard.is_over = False
    assert heard == [True] * 3 + [False] * 3


def test_looks_for_no_tables(monkeypatch: pytest.MonkeyPatch):
    """What components are sent is what Streamlit would send, tables and arrays too; lists and dicts are not searched for tables."""
    data = {
        "rows": [[1, 2.5, "a"], []],
        "links": {"ended": "/test"},
        "count": 3,
        "none": None,
        "empty": [],
        "pair": (1, 2),
    }
    searched: list[object] = []
    monkeypatch.setattr(serialization, "is_dataframe_like", serialization.is_dataframe_like)
    sent = []
    for change in (lambda: None, streamlit_inside.ask_for_no_tables):
        change()
        for more in ({}, {"array": np.arange(3)}, {"table": pd.DataFrame({"a": [1]})}):
            serialization.serialize_mixed_data(data | more, message := BidiComponent())
            sent.append(message)
    assert sent[:3] == sent[3:]
    assert sent[1].WhichOneof("data") == "mixed"
    monkeypatch.setattr(dataframe_util, "determine_data_format", searched.append)
    serialization.serialize_mixed_data(data, BidiComponent())
    assert searched == []


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


def test_looks_for_each_page_once(monkeypatch: pytest.MonkeyPatch):
    """However often scripts run; each run marks the page that it shows in pages of its own, and finds the same ones."""
    looked: list[str] = []
    look = streamlit_inside._create_page
    monkeypatch.setattr(menu, "_create_page", menu._create_page)
    monkeypatch.setattr(streamlit_inside, "_pages", {})
    monkeypatch.setattr(
        streamlit_inside, "_create_page", lambda page, **more: looked.append(str(page)) or look(page, **more)
    )
    streamlit_inside.keep_the_pages()
    page = AppTest.from_file(str(frame.ROOT / "app.py"), default_timeout=60)
    for step in (frame.STEPS[0], frame.HOME, frame.STEPS[0]):
        page.switch_page(step.script).run()
        assert not page.exception
        assert page.title[0].value == ("Fashion-MNIST Lab" if step is frame.HOME else step.title)
    assert sorted(looked) == sorted(str(frame.ROOT / step.script) for step in frame.PAGES)
    assert not any(page._can_be_called for page in streamlit_inside._pages.values())


def test_a_widget_looks_up_its_own_value(monkeypatch: pytest.MonkeyPatch):
    """What it is given is what Streamlit's dict of all values has; a value that it does not ask for is not worked out."""
    state = SafeSessionState(SessionState(), lambda: None)
    state["name"], state["none"] = "Zoë", None
    before = state.filtered_state
    monkeypatch.setattr(SafeSessionState, "filtered_state", SafeSessionState.filtered_state)
    streamlit_inside.look_up_one_value()
    values = state.filtered_state
    assert dict(values) == before == {"name": "Zoë", "none": None}
    assert (len(values), repr(values)) == (2, repr(before))
    assert values["none"] is None
    assert "none" in values
    assert "other" not in values
    monkeypatch.setattr(SessionState, "_keys", lambda _session: pytest.fail("all of them"))
    assert values["name"] == "Zoë"


def test_asks_for_messages_only_where_there_are_some(monkeypatch: pytest.MonkeyPatch):
    """For each handful that somebody's script has said, all open pages are asked; with a hundred open that was more than to send it."""
    session = object.__new__(AppSession)
    session.id, session._browser_queue = "a page", ForwardMsgQueue()
    nobody = SimpleNamespace(get_active_session_info=lambda _id: None)
    asked: list[int] = []
    monkeypatch.setattr(
        streamlit_inside.Runtime, "instance", lambda: asked.append(1) or SimpleNamespace(_session_mgr=nobody)
    )
    assert streamlit_inside._flush(session) == []
    assert asked == []
    session._browser_queue.enqueue(message := ForwardMsg())
    assert streamlit_inside._flush(session) == [message]
    assert asked == [1]
    assert streamlit_inside._flush(session) == []

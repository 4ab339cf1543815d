"""What a script says reaches the server's thread in a few handfuls, all of it and in order; a theme is put together once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.scriptrunner import ScriptRunnerEvent

from pages.parts import streamlit_inside
from tests.coroutines import finished

SAID, OVER = ScriptRunnerEvent.ENQUEUE_FORWARD_MSG, ScriptRunnerEvent.SCRIPT_STOPPED_WITH_SUCCESS


class Session:
    """What of Streamlit's session the two threads have in common."""

    def __init__(self) -> None:
        self._event_loop = asyncio.get_running_loop()
        self.handled: list[object] = []
        self.woken = 0
        self.broken: object = None

    def _call_soon_on_event_loop(self, callback: Callable[[], None]) -> None:
        self.woken += 1
        self._event_loop.call_soon_threadsafe(callback)

    def _handle_scriptrunner_event_on_event_loop(self, _sender: object, _event: object, what: object = None) -> None:
        self.handled.append(what)
        if what is not None and what == self.broken:
            raise RuntimeError("broken")


def say(session: Session, count: int) -> None:
    """As a script of so many elements does."""
    for number in range(count):
        streamlit_inside._heard(session, None, SAID, number)  # type: ignore[arg-type]
    streamlit_inside._heard(session, None, OVER, "over")  # type: ignore[arg-type]


async def until_over(session: Session, times: int = 1) -> None:
    """However long it takes."""
    while session.handled.count("over") < times:
        await asyncio.sleep(0.001)


def test_a_script_wakes_the_server_twice():
    """Once when it begins to speak and once when it is over, if the server's thread has no time in between."""

    async def go() -> Session:
        session = Session()
        say(session, 80)
        await until_over(session)
        return session

    session = finished(go())
    assert session.handled == [*range(80), "over"]
    assert session.woken == 2


def test_nothing_is_lost_between_two_threads():
    """Whatever the threads' turns are: everything comes, once, in its order, script after script."""

    async def go() -> Session:
        session = Session()
        script = threading.Thread(target=lambda: [say(session, 300) for _script in range(20)])
        script.start()
        await until_over(session, 20)
        script.join()
        return session

    assert finished(go()).handled == 20 * [*range(300), "over"]


def test_what_one_message_breaks_is_not_for_the_others():
    """Those behind it are handled all the same, as where each comes alone."""

    async def go() -> Session:
        session = Session()
        session._event_loop.set_exception_handler(lambda *_: None)
        session.broken = 3
        say(session, 10)
        await until_over(session)
        return session

    assert finished(go()).handled == [*range(10), "over"]


def test_the_theme_is_streamlits_own(monkeypatch: pytest.MonkeyPatch):
    """Put together once, and the same message to the bit as without; a section that is not configured stays away."""
    monkeypatch.setattr(streamlit_inside, "_themes", {})

    def whole(fill: Callable[..., None]) -> CustomThemeConfig:
        theme = CustomThemeConfig()
        fill(theme)
        for name in ("light", "dark", "sidebar"):
            fill(getattr(theme, name), f"theme.{name}")
        for name in ("light", "dark"):
            fill(getattr(theme, name).sidebar, f"theme.{name}.sidebar")
        return theme

    own = whole(streamlit_inside._fill_in_theme)
    first, again = whole(streamlit_inside._theme), whole(streamlit_inside._theme)
    for ours in (first, again):
        assert ours.SerializeToString(deterministic=True) == own.SerializeToString(deterministic=True)
    assert app_session._populate_theme_msg  # where Streamlit looks for it

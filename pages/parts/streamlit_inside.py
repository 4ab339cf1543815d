"""What this app knows of Streamlit beyond its documentation, in one place: with another version, look here.

The names of elements that the style sheet needs; what a script run knows of the request that caused it. The browser's
half, events and states, is components/streamlit.js.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from string import Template
from typing import Any, cast
from urllib.parse import parse_qsl

import streamlit as st
from starlette.routing import Route
from streamlit import dataframe_util, delta_generator
from streamlit.components.v2.bidi_component import serialization
from streamlit.navigation import page as page_of_menu
from streamlit.navigation.page import Page
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import Runtime, app_session
from streamlit.runtime.app_session import AppSession
from streamlit.runtime.scriptrunner import ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx
from streamlit.runtime.session_manager import SessionClientDisconnectedError
from streamlit.runtime.state.safe_session_state import SafeSessionState

NAMES = {
    "main": '[data-testid="stMainBlockContainer"]',
    "sidebar": '[data-testid="stSidebar"]',
    "sidebar_header": '[data-testid="stSidebarHeader"]',
    "row": '[data-testid="stHorizontalBlock"]',
    "alert": '[data-testid="stAlert"]',
    "column": '[data-testid="stColumn"]',
    "caption": '[data-testid="stCaptionContainer"]',
    "page_link": '[data-testid="stPageLink"]',
    "chosen": 'button[data-variant="segmented_control"][data-selected]',
    "segment": 'button[data-variant="segmented_control"]',
    "drawn": ':is([data-testid="stSlider"], [data-testid="stCheckbox"], [data-testid="stProgress"], [data-testid^="stBidiComponent"])',
    "slider_value": '[data-testid="stSliderThumbValue"]',
    "plot": '[data-testid="stPlotlyChart"]',
    "menu_link": '[data-testid="stPageLink-NavLink"]',
}
"""What the style sheet calls Streamlit's elements, and their selectors."""


RUNNING = '[data-testid="stApp"][data-test-script-state="running"]'
AT_REST = '[data-testid="stApp"][data-test-script-state="notRunning"]'
CONTENT, TRACEBACK = '[data-testid="stMain"]', '[data-testid="stException"]'
"""For those who drive a browser, in tests and benchmarks."""


def style(path: Path) -> str:
    """A style sheet, with the selectors in place of `$names`. Raises KeyError for a name that is not known."""
    return Template(path.read_text(encoding="utf-8")).substitute(NAMES)


def base() -> str:
    """`server.baseUrlPath` as it stands before each path, such as "/lab"; usually ""."""
    return "/".join(["", *filter(None, str(st.get_option("server.baseUrlPath") or "").split("/"))])


def at_base(routes: Iterable[Route]) -> list[Route]:
    """Routes of ours where Streamlit has its own: below `server.baseUrlPath`, which it does not put before them."""
    return [Route(f"{base()}{route.path}", route.endpoint, methods=route.methods) for route in routes]


def ask_for_no_terminal() -> None:
    """Before the first element of a process Streamlit looks for a Python terminal, among the files of all modules: 0.3 s of the first page."""
    delta_generator._use_warning_has_been_displayed = True


def ask_for_no_tables() -> None:
    """Before a component's data is sent, Streamlit looks for tables in it, each list and each dict among a dozen libraries' kinds, and
    imports pandas to do so: 0.36 s of a process's first page. Neither is a table where no page has put one into it, and none of ours has.
    """
    serialization.is_dataframe_like = _is_table


def _is_table(value: object) -> bool:
    return not isinstance(value, (list, dict)) and dataframe_util.is_dataframe_like(value)


# --- Messages ------------------------------------------------------------------------------------------------------

GATHERED = 0.005
"""Seconds for which a script's messages are gathered: those that Streamlit waits itself between two looks at what is to be sent."""
AT_ONCE = 100
"""Messages that are handed on in one go; a browser's queue holds 500."""


def send_together() -> None:
    """From now on a script's messages go to the server's thread, and from there to the browser, in a few handfuls.

    A page has some 80 messages. Streamlit wakes its thread twice for each, and lets go of the interpreter after each that it
    sends: where other scripts compute, it gets it back some milliseconds later, and a page takes seconds. Their order stays.
    """
    AppSession._on_scriptrunner_event = _heard  # type: ignore[assignment]
    AppSession.flush_browser_queue = _flush  # type: ignore[method-assign]


_flushed = AppSession.flush_browser_queue


def _heard(session: AppSession, sender: object, event: ScriptRunnerEvent, *rest: object, **more: object) -> None:
    """In place of `AppSession._on_scriptrunner_event`, on the script's thread."""
    waiting = _waiting(session)
    handle = session._handle_scriptrunner_event_on_event_loop
    waiting.append(partial(handle, sender, event, *rest, **more))  # type: ignore[arg-type]
    if event is not ScriptRunnerEvent.ENQUEUE_FORWARD_MSG:
        session._call_soon_on_event_loop(partial(_handle, session))
    elif len(waiting) == 1:  # else somebody is on the way
        later = partial(session._event_loop.call_later, GATHERED, _handle, session)
        session._call_soon_on_event_loop(later)  # type: ignore[arg-type]


def _waiting(session: AppSession) -> deque[partial[None]]:
    """What its scripts have said, and nobody has handled yet; always the same object, because two threads have it."""
    waiting: deque[partial[None]] = vars(session).setdefault("fmnist_waiting", deque())
    return waiting


def _handle(session: AppSession) -> None:
    waiting = _waiting(session)
    try:
        while waiting:
            waiting.popleft()()
    finally:
        if waiting:  # what one of them raises is not for the others
            session._call_soon_on_event_loop(partial(_handle, session))


def _flush(session: AppSession) -> list[ForwardMsg]:
    """In place of `AppSession.flush_browser_queue`: what it gives is sent one by one; here the first are sent together.

    Each time somebody's script has said something, all open pages are asked what there is for them: hardly ever anything.
    """
    if session._browser_queue.is_empty():
        return []
    messages = _flushed(session)
    runtime = Runtime.instance()
    here = runtime._session_mgr.get_active_session_info(session.id)
    sent = 0
    try:
        while here and sent < min(len(messages), AT_ONCE):
            runtime._send_message(here, messages[sent])
            sent += 1
    except SessionClientDisconnectedError:
        pass  # who sends the rest meets it again, and says so
    return messages[sent:]


# --- Asked for again and again -------------------------------------------------------------------------------------

_pages: dict[tuple[str, bool], Page] = {}
_create_page = page_of_menu._create_page


def keep_the_pages() -> None:
    """From now on Streamlit looks for the file of each page once a process, not for each script run."""
    page_of_menu._create_page = _page


def _page(page: str | Path, *, default: bool = False) -> Page:
    """In place of Streamlit's `_create_page`; each script run has pages of its own, because it marks the one that it shows."""
    asked = str(page), default
    if asked not in _pages:
        _pages[asked] = _create_page(page, default=default)
    return copy(_pages[asked])


def look_up_one_value() -> None:
    """From now on a widget that asks for its own value does not have those of all others put together first."""
    SafeSessionState.filtered_state = property(_Values)  # type: ignore[assignment]


_all_values = SafeSessionState.filtered_state


class _Values(Mapping[str, Any]):
    """In place of `SafeSessionState.filtered_state`, a dict of all values by key: the same, put together for whoever wants all of them."""

    def __init__(self, state: SafeSessionState) -> None:
        self._state = state

    def __getitem__(self, key: str) -> Any:
        return self._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def _all(self) -> dict[str, Any]:
        return cast("dict[str, Any]", _all_values.__get__(self._state))


_themes: dict[str, CustomThemeConfig] = {}
_fill_in_theme = app_session._populate_theme_msg


def keep_the_theme() -> None:
    """From now on the configured theme is put together once a process, not six times for each script run."""
    app_session._populate_theme_msg = _theme


def _theme(message: CustomThemeConfig, section: str = "theme") -> None:
    """In place of Streamlit's `_populate_theme_msg`."""
    if section not in _themes:
        filled = CustomThemeConfig()
        _fill_in_theme(filled, section)
        _themes[section] = filled
    if _themes[section].ByteSize():  # else the section would be there, and empty
        message.MergeFrom(_themes[section])


# --- The request ---------------------------------------------------------------------------------------------------


def came_by_history() -> bool:
    """Whether Back, forward or a link of one of our components caused this script run: then its address is meant."""
    context = get_script_run_ctx()
    return bool(context and context.is_history_navigation)


def query() -> str:
    """The query string of the request that caused this script run, with what has been written since."""
    context = get_script_run_ctx()
    return context.query_string if context else ""


def embedding() -> dict[str, str]:
    """`embed` and `embed_options` as the browser's address had them; `st.query_params` hides both."""
    return {key: value for key, value in parse_qsl(query()) if key.lower() in ("embed", "embed_options")}


def keep_embedded(options: dict[str, str]) -> None:
    """Put `embed` and `embed_options` back where a link within the page has lost them; nothing is sent."""
    context = get_script_run_ctx()
    if context and st.context.is_embedded and not embedding():
        with context.session_state.query_params() as parameters:
            for key, value in (options or {"embed": "true"}).items():
                parameters.set_with_no_forward_msg(key, value)


def is_host_allowed(host: str | None) -> bool:
    """Whether `server.allowedHosts` has the name in a request's Host header; Streamlit itself asks for websockets alone."""
    from streamlit.web.server.starlette.starlette_websocket import is_host_allowed as is_allowed

    return is_allowed(host)


def is_origin_listed(origin: str) -> bool:
    """Whether the configuration names this origin, or lets every origin in."""
    from streamlit.web.server import server_util

    return server_util.allow_all_cross_origin_requests() or server_util.is_allowed_origin(origin)


def server_address() -> str | None:
    """The name by which browsers reach this server, where the configuration says it."""
    address = str(st.get_option("browser.serverAddress") or "")
    return address if address not in ("", "localhost") else None

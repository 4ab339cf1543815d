"""A server that is full says so, and when to come back; who is here stays."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fmnist_core.runs import environment
from pages.parts.server import seats

PAGE = {"accept": "text/html,application/xhtml+xml"}


async def answer(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


async def stream(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> seats.Seats:
    """With two seats."""
    monkeypatch.setenv("FMNIST_SEATS", "2")
    paths = ("/train", "/api/runs", "/static/x.js", "/_stcore/health")
    return seats.Seats(
        Starlette(routes=[*(Route(path, answer) for path in paths), WebSocketRoute("/_stcore/stream", stream)])
    )


def browser(server: seats.Seats) -> TestClient:
    return TestClient(server)


def test_a_full_server_says_so_and_keeps_those_who_are_here(server: seats.Seats):
    """The third browser gets a sentence and a time, no page; the first two may reload, and everything open goes on."""
    ada, ben, eve = (browser(server) for _ in range(3))
    with ExitStack() as open_pages:
        for visitor in (ada, ben):
            assert visitor.get("/train", headers=PAGE).text == "here"
            open_pages.enter_context(visitor.websocket_connect("/_stcore/stream"))
        full = eve.get("/train", headers=PAGE)
        assert full.status_code == 503
        assert full.headers["retry-after"] == str(seats.COMES_BACK)
        assert "2 pages are open" in full.text
        assert f'content="{seats.COMES_BACK}"' in full.text
        assert ada.get("/train", headers=PAGE).text == "here", "a reload asks while its page is still open"
        open_pages.enter_context(ada.websocket_connect("/_stcore/stream"))
        for path in ("/api/runs", "/static/x.js", "/_stcore/health"):
            assert eve.get(path).text == "here"
        with pytest.raises(WebSocketDisconnect) as refused, eve.websocket_connect("/_stcore/stream"):
            pass
        assert refused.value.code == 1013
    assert eve.get("/train", headers=PAGE).text == "here", "somebody has left"
    assert server.taken.total() == 0


def test_a_forged_mark_takes_nobody_s_seat(server: seats.Seats):
    """A cookie that nobody here has is worth nothing, and no cookie is no mark."""
    with browser(server).websocket_connect("/_stcore/stream"), browser(server).websocket_connect("/_stcore/stream"):
        for cookies in ({}, {seats.COOKIE: ""}, {seats.COOKIE: "0" * 16}):
            assert TestClient(server, cookies=cookies).get("/train", headers=PAGE).status_code == 503


def test_a_setting_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch):
    """`FMNIST_SEATS` and `FMNIST_REUSE` are read in one place, and refused with a sentence."""
    for name, value in (("FMNIST_SEATS", "none"), ("FMNIST_REUSE", "2")):
        monkeypatch.setenv(name, value)
        with pytest.raises(ValueError, match=name):
            environment.check()
        monkeypatch.delenv(name)

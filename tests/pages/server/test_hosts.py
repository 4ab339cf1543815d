"""The names that the server answers to, and what it sends with every answer."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from pages.parts.server.hosts import Hosts, headers

LOCAL = "127.0.0.1:8501"


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("open")
    await socket.close()


@pytest.fixture
def web() -> TestClient:
    routes = [
        Route("/api/runs", lambda _: JSONResponse([])),
        Route("/_stcore/health", lambda _: JSONResponse("ok")),
        WebSocketRoute("/_stcore/stream", echo),
    ]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(Hosts)]), base_url=f"http://{LOCAL}")


@pytest.mark.parametrize("host", [LOCAL, "localhost:8501", "LOCALHOST", "[::1]:8501", "127.0.0.1"])
def test_this_machines_names_are_answered(web: TestClient, host: str):
    """With and without a port."""
    assert web.get("/api/runs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example", "localhost@evil.example", "", "127.0.0.1:x"]
)
def test_other_names_are_not(web: TestClient, host: str):
    """A stranger's name that points at this machine reads nothing, neither by a route nor by a websocket."""
    answer = web.get("/api/runs", headers={"host": host})
    assert answer.status_code == 421
    assert "server.allowedHosts" in answer.text
    assert "@" not in answer.text
    with pytest.raises(WebSocketDisconnect), web.websocket_connect("/_stcore/stream", headers={"host": host}):
        pass


def test_a_foreign_origin_is_refused_before_streamlit_asks_outside(web: TestClient, monkeypatch: pytest.MonkeyPatch):
    """A page of another origin opens no websocket, and nobody looks up our address for it."""
    monkeypatch.setattr("streamlit.net_util.get_external_ip", lambda: pytest.fail("asked outside"))
    for origin in ("http://evil.example", "null", "http://[", "http://localhost:3000"):
        with pytest.raises(WebSocketDisconnect), web.websocket_connect("/_stcore/stream", headers={"origin": origin}):
            pass
    for own in ({"origin": f"http://{LOCAL}"}, {}):
        with web.websocket_connect("/_stcore/stream", headers={"host": LOCAL} | own) as socket:
            assert socket.receive_text() == "open"


def test_headers_come_with_every_answer(web: TestClient, monkeypatch: pytest.MonkeyPatch):
    """Nobody else frames or sniffs what we serve, refusals included; a course's page may frame it when it is named."""
    for host in (LOCAL, "evil.example"):
        answer = web.get("/api/runs", headers={"host": host})
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    monkeypatch.setenv("FMNIST_FRAMED_BY", "https://course.example; script-src *")
    assert headers()["Content-Security-Policy"] == "frame-ancestors 'self' https://course.example script-src *"
    assert web.get("/_stcore/health", headers={"host": "10.0.0.7"}).status_code == 200

"""The door of a class's server: who comes in, who does not, and what it tells those behind it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from fmnist_core.runs import people
from pages.parts import streamlit_inside
from pages.parts.server import class_server, door
from pages.parts.server.doorway import HEADER, is_guarded, told


def whoami(request: Request) -> JSONResponse:
    """What a route behind the door sees."""
    return JSONResponse(
        {"header": request.headers.getlist(HEADER), "acting": people.current().name, "role": people.current().role}
    )


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.headers.get(HEADER, ""))
    await websocket.close()


def behind(
    monkeypatch: pytest.MonkeyPatch, mode: str = "word", address: str = "http://testserver", **kwargs: object
) -> TestClient:
    monkeypatch.setenv("FMNIST_DOOR", mode)
    routes = [
        Route("/api/whoami", whoami),
        Route("/test", whoami),
        Route("/_stcore/health", whoami),
        WebSocketRoute("/_stcore/stream", socket),
    ]
    return TestClient(door.Door(Starlette(routes=routes)), address, follow_redirects=False, **kwargs)  # type: ignore[arg-type]


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Those of a class."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    return class_server.make_words()


def come_in(visitor: TestClient, word: str, name: str = "Ada", to: str = "/test?run=3&view=matrix") -> None:
    answer = visitor.post("/door", data={"name": name, "word": word, "next": to})
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == to


def test_without_the_word_there_is_only_the_form(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """A page leads to the form and back to itself; a route says 401; a websocket is closed; health is open."""
    visitor = behind(monkeypatch)
    page = visitor.get("/test?run=3&view=matrix")
    assert page.status_code == 303
    form = visitor.get(page.headers["location"])
    assert 'value="/test?run=3&amp;view=matrix"' in form.text
    assert visitor.get("/api/whoami").status_code == 401
    assert visitor.get("/static/js/main.js").status_code == 401
    assert visitor.post("/test").status_code == 401
    with pytest.raises(WebSocketDisconnect), visitor.websocket_connect("/_stcore/stream"):
        pass
    assert visitor.get("/_stcore/health").status_code == 200


@pytest.mark.parametrize("role", ["learner", "teacher"])
def test_the_word_lets_in_and_says_who(role: str, words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Pages, routes and websockets hear name and role; the address that was asked for is kept."""
    visitor = behind(monkeypatch)
    come_in(visitor, f" {words[role].upper()} ", "Zoë <b>")
    seen = visitor.get("/api/whoami").json()
    assert (seen["acting"], seen["role"]) == ("Zoë <b>", role)
    with visitor.websocket_connect("/_stcore/stream") as stream:
        person = told(stream.receive_text())
    assert person is not None
    assert (person.name, person.role) == ("Zoë <b>", role)


def test_nobody_says_by_themselves_who_they_are(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """A forged header is thrown away, with and without a cookie; a forged or changed cookie is none."""
    visitor = behind(monkeypatch)
    forged = {HEADER: json.dumps(["t", "Ms Lovelace", "teacher"])}
    assert visitor.get("/api/whoami", headers=forged).status_code == 401
    come_in(visitor, words["learner"])
    seen = visitor.get("/api/whoami", headers=forged).json()
    assert (seen["role"], len(seen["header"])) == ("learner", 1)
    good = visitor.cookies[door.COOKIE]
    for bad in (good[:-2] + "AA", "x", ("A" if good[5] != "A" else "B").join([good[:5], good[6:]]), ""):
        other = behind(monkeypatch, cookies={door.COOKIE: bad})
        assert other.get("/api/whoami").status_code == 401


def test_a_cookie_of_another_class_is_none(words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each class signs with its own secret."""
    visitor = behind(monkeypatch)
    come_in(visitor, words["learner"])
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path / "other"))
    class_server.make_words()
    other = behind(monkeypatch, cookies={door.COOKIE: visitor.cookies[door.COOKIE]})
    assert other.get("/api/whoami").status_code == 401


def test_wrong_words_are_counted(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Then the door waits, for the right word too, and opens again after a minute."""
    visitor = behind(monkeypatch)
    for _ in range(door.TRIES):
        assert visitor.post("/door", data={"name": "Ada", "word": "guess"}).status_code == 401
    answer = visitor.post("/door", data={"name": "Ada", "word": words["learner"]})
    assert answer.status_code == 429
    assert "wait a minute" in answer.text
    monkeypatch.setattr(door, "WINDOW", 0.0)
    come_in(visitor, words["learner"])


@pytest.mark.parametrize(
    "target", ["//evil.test/", "https://evil.test", "/\\evil.test", "javascript:alert(1)", "/a\nb", "/door"]
)
def test_the_way_on_stays_on_this_server(target: str, words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Whatever the form sends."""
    answer = behind(monkeypatch).post("/door", data={"name": "Ada", "word": words["learner"], "next": target})
    assert answer.headers["location"] == "/"


def test_names_are_text_and_never_empty(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """HTML in the form is shown as it is; blanks are no name."""
    visitor = behind(monkeypatch)
    wrong = visitor.post("/door", data={"name": '"><script>', "word": "guess"})
    assert "<script>" not in wrong.text
    assert visitor.post("/door", data={"name": " \u200b ", "word": words["learner"]}).status_code == 400


def test_the_cookie_is_secure_behind_https(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Not sent in the clear where the address is not; never readable by scripts."""
    data = {"name": "Ada", "word": words["learner"]}
    plain = behind(monkeypatch).post("/door", data=data).headers["set-cookie"]
    behind_proxy = (
        behind(monkeypatch).post("/door", data=data, headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    )
    assert "Secure" not in plain
    assert "Secure" in behind_proxy
    assert "HttpOnly" in plain


def test_a_proxy_names_people(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """By its own header; the same person has the same id everywhere; who is a teacher stands in the configuration."""
    monkeypatch.setenv("FMNIST_TEACHERS", "head@school.test")
    visitor = behind(monkeypatch, "header:X-Forwarded-Email")
    assert visitor.get("/test").status_code == 401
    seen = [
        visitor.get("/test", headers={"x-forwarded-email": email}).json()
        for email in ("ada@school.test", "Head@school.test")
    ]
    assert [one["role"] for one in seen] == ["learner", "teacher"]
    again = visitor.get("/test", headers={"x-forwarded-email": "ada@school.test", HEADER: "forged"}).json()
    assert again["header"] == seen[0]["header"]


def test_another_mode_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A word that is not one ends the start with a sentence; it never opens the door."""
    with pytest.raises(ValueError, match="FMNIST_DOOR must be word or header:NAME, got 'password'"):
        behind(monkeypatch, "password")
    assert is_guarded()


def test_without_words_the_server_does_not_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The sentence says how they are made."""
    monkeypatch.setenv("FMNIST_RUNS", str(tmp_path))
    with pytest.raises(ValueError, match="make class"):
        behind(monkeypatch)


def test_words_are_kept_to_their_owner_and_may_be_chosen(
    words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The same again at the next start; nobody else on the machine reads them; too short a word is refused."""
    assert class_server.make_words() == words
    assert (tmp_path / door.WORDS).stat().st_mode & 0o077 == 0
    monkeypatch.setenv("LEARNERS", "Room 7 Rocks")
    assert class_server.make_words() == words | {"learner": "room 7 rocks"}
    monkeypatch.setenv("TEACHERS", "short")
    with pytest.raises(ValueError, match="at least 8"):
        class_server.make_words()


def test_the_door_below_a_base_path(words: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """Where `server.baseUrlPath` puts the app below another address, the form, the way back and the health check are there, too."""
    monkeypatch.setattr(streamlit_inside, "base", lambda: "/lab")
    monkeypatch.setenv("FMNIST_DOOR", "word")
    paths = ("/lab/test", "/lab/_stcore/health")
    visitor = TestClient(door.Door(Starlette(routes=[Route(path, whoami) for path in paths])), follow_redirects=False)
    assert visitor.get("/lab/test?run=3").headers["location"] == "/lab/door?next=%2Ftest%3Frun%3D3"
    assert visitor.get("/lab/_stcore/health").status_code == 200
    assert 'action="/lab/door"' in visitor.get("/lab/door").text
    answer = visitor.post("/lab/door", data={"name": "Ada", "word": words["learner"], "next": "/test?run=3"})
    assert answer.headers["location"] == "/lab/test?run=3"
    assert visitor.get("/lab/test").json()["acting"] == "Ada"

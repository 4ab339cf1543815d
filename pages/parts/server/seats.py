"""How many may be here at once: a server that is full says so, and when to come back. Stands before everything; Starlette only.

A page drawn for everybody would take seconds for each: better all who are here go on as before, and who comes later waits
at the entrance. Training is another process, and goes on in any case.
"""

from __future__ import annotations

import secrets
from collections import Counter
from html import escape
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fmnist_core.runs import environment
from pages.parts import streamlit_inside

USUAL = 150
"""Open pages of one server process, unless `$FMNIST_SEATS` says another number."""
COMES_BACK = 20
"""Seconds after which the page of a full server tries again."""
SLACK = 1.1
"""Pages that were let in a moment ago open their connection only now."""
COOKIE = "fmnist-here"
"""Tells browsers apart, nothing else: nobody's name is in it."""
STREAM = "/_stcore/stream"
PAGE = Path(__file__).with_name("seats.html").read_text(encoding="utf-8")


class Seats:
    """ASGI middleware. A browser that has a page open may reload it, and open another one, however full it is."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.most = environment.seats() or USUAL
        self.taken: Counter[str] = Counter()
        """Open pages of each browser, by its cookie."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        path = str(scope.get("path", ""))
        if scope["type"] == "websocket" and path.endswith(STREAM):
            await self.stream(scope, receive, send)
        elif scope["type"] == "http" and opens_a_page(scope):
            await self.page(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The connection of an open page."""
        browser = browser_of(scope)
        if self.taken.total() >= SLACK * self.most and not self.is_here(browser):
            await send({"type": "websocket.close", "code": 1013})  # try again later (IANA's registry of RFC 6455)
            return
        self.taken[browser] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.taken[browser] -= 1
            self.taken += Counter()  # without those who have left

    async def page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A page, or where there is no room the sentence that says so."""
        browser = browser_of(scope)
        if self.taken.total() >= self.most and not self.is_here(browser):
            await self.full()(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and not browser:
                mark = f"{COOKIE}={secrets.token_hex(8)}; Path=/; HttpOnly; SameSite=Lax"
                MutableHeaders(scope=message).append("set-cookie", mark)
            await send(message)

        await self.app(scope, receive, sending)

    def is_here(self, browser: str) -> bool:
        """Whether it has a page open."""
        return browser != "" and self.taken[browser] > 0

    def full(self) -> Response:
        """What is said instead of a page."""
        words = {"count": f"{self.taken.total():,}", "seconds": str(COMES_BACK)}
        text = PAGE
        for name, value in words.items():
            text = text.replace(f"{{{{{name}}}}}", escape(value))
        return HTMLResponse(text, 503, {"Retry-After": str(COMES_BACK), "Cache-Control": "no-store"})


def browser_of(scope: Scope) -> str:
    """The mark that its first page has left there; "" before that."""
    try:
        return SimpleCookie(Headers(scope=scope).get("cookie", ""))[COOKIE].value[:32]
    except (KeyError, CookieError):
        return ""


def opens_a_page(scope: Scope) -> bool:
    """Whether a browser asks for a page as such, not for what a page that is open needs."""
    path = str(scope.get("path", "")).removeprefix(streamlit_inside.base())
    is_part = path.startswith(("/api/", "/_stcore/", "/door", "/media/")) or "." in path.rpartition("/")[2]
    return scope["method"] == "GET" and not is_part and "text/html" in Headers(scope=scope).get("accept", "")

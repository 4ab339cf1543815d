"""The door of a class's server: lets in whoever knows the word, and tells pages and routes who it is. Starlette only.

Streamlit's own logins protect neither our routes nor its assets; this stands before all of it, websockets included.
`class_server.py` makes the words, prints them with the address, and starts the server (`make class`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import defaultdict, deque
from html import escape
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fmnist_core.files import read_json
from fmnist_core.runs import people
from fmnist_core.runs.bell import runs_folder
from fmnist_core.runs.people import Person, Role
from pages.parts import streamlit_inside
from pages.parts.server.doorway import HEADER, LONGEST, proxys_header, tell, tidy, told

COOKIE, DAYS = "fmnist-door", 30
OPEN = ("/_stcore/health",)
WORDS = ".door.json"
"""In the runs folder, readable by its owner alone: the two words and the secret that signs cookies."""
TRIES, WINDOW = 30, 60.0
"""Wrong words from one address within so many seconds, then it waits: a whole class may share an address."""
MOST_CALLERS = 10_000
"""Addresses that are remembered."""
MOST_FORM = 8 * 1024
"""Bytes of a form."""
PAGE = Path(__file__).with_name("door.html").read_text(encoding="utf-8")


class Door:
    """ASGI middleware in front of everything."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.header = proxys_header()
        self.teachers = {
            name.strip().lower() for name in os.environ.get("FMNIST_TEACHERS", "").split(",") if name.strip()
        }
        self.words: dict[str, str] = {}
        if self.header is None:
            self.words = read_words(runs_folder())
            self.signer = URLSafeTimedSerializer(self.words["secret"], salt=COOKIE)
        self.wrong: dict[str, deque[float]] = defaultdict(deque)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        path = scope.get("path", "").removeprefix(before(scope))
        if scope["type"] not in ("http", "websocket") or path in OPEN:
            await self.app(scope, receive, send)
            return
        headers = MutableHeaders(scope=scope)
        said = headers.get(self.header) if self.header else None
        while HEADER in headers:  # nobody says by themselves who they are
            del headers[HEADER]
        if self.header is None and path in ("/door", "/door/leave") and scope["type"] == "http":
            request = Request(scope, receive)
            answer = self.leave(request) if path == "/door/leave" else await self.form(request)
            await answer(scope, receive, send)
            return
        person = self.from_proxy(said) if self.header else self.from_cookie(headers.get("cookie", ""))
        if person is None:
            await self.refuse(scope, receive, send, path)
            return
        headers.append(HEADER, tell(person))
        with people.acting_as(person):
            await self.app(scope, receive, send)

    async def refuse(self, scope: Scope, receive: Receive, send: Send, path: str) -> None:
        """To the form where there is one; a sentence or a closed websocket elsewhere."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        looks_at_a_page = (
            self.header is None and scope["method"] == "GET" and not path.startswith(("/api/", "/_stcore/"))
        )
        answer: Response = PlainTextResponse("Come in through the door first.", 401)
        if looks_at_a_page and "." not in path.rpartition("/")[2]:
            request = Request(scope)
            asked = f"{path}?{request.url.query}" if request.url.query else path
            answer = RedirectResponse(f"{before(scope)}/door?{urlencode({'next': asked})}", 303)
        await answer(scope, receive, send)

    # --- Who somebody is -------------------------------------------------------------------------------------------

    def from_cookie(self, cookies: str) -> Person | None:
        """Whom the door let in; None for a cookie that is missing, forged or too old."""
        try:
            value = self.signer.loads(SimpleCookie(cookies)[COOKIE].value, max_age=DAYS * 86_400)
        except (KeyError, BadSignature, CookieError):
            return None
        return told(str(value))

    def from_proxy(self, said: str | None) -> Person | None:
        """Whom the proxy names; None where it names nobody."""
        name = tidy(said or "")
        if not name:
            return None
        role: Role = "teacher" if name.lower() in self.teachers else "learner"
        return Person(hashlib.sha256(name.lower().encode()).hexdigest()[:12], name, role)

    def role_of(self, word: str) -> Role | None:
        """Whose word it is."""
        roles: tuple[Role, ...] = ("teacher", "learner")
        given = word.strip().lower().encode()
        return next((role for role in roles if hmac.compare_digest(self.words[role].encode(), given)), None)

    # --- The form --------------------------------------------------------------------------------------------------

    async def form(self, request: Request) -> Response:
        """Ask for the word and a name; with the right word, a cookie and the way to where somebody wanted to go."""
        target = request.query_params.get("next", "/")
        if request.method != "POST":
            return self.page(request, target)
        if int(request.headers.get("content-length") or 0) > MOST_FORM:
            return PlainTextResponse("Too long.", 413)
        caller, now = request.client.host if request.client else "", time.monotonic()
        tries = self.wrong[caller]
        while tries and tries[0] < now - WINDOW:
            tries.popleft()
        if len(tries) >= TRIES:
            return self.page(request, target, "Too many wrong words: wait a minute.", 429)
        given = await request.form(max_files=0, max_fields=8)
        target, name = str(given.get("next") or "/"), tidy(str(given.get("name") or ""))
        role = self.role_of(str(given.get("word") or ""))
        if role is None:
            if len(self.wrong) > MOST_CALLERS:
                self.wrong.clear()
            self.wrong[caller].append(now)
            return self.page(request, target, "That is not the word. Ask your teacher.", 401, name)
        if not name:
            return self.page(request, target, "Choose a name, so that everyone can see whose run is whose.", 400)
        answer = RedirectResponse(before(request.scope) + within(target), 303)
        person = Person(secrets.token_hex(6), name, role)
        is_safe = request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"
        answer.set_cookie(
            COOKIE,
            self.signer.dumps(tell(person)),
            max_age=DAYS * 86_400,
            httponly=True,
            samesite="lax",
            secure=is_safe,
        )
        return answer

    def leave(self, request: Request) -> Response:
        """Forget the cookie."""
        answer = RedirectResponse(f"{before(request.scope)}/door", 303)
        answer.delete_cookie(COOKIE)
        return answer

    def page(self, request: Request, target: str, wrong: str = "", status: int = 200, name: str = "") -> Response:
        """The form, with what was wrong."""
        action = f"{before(request.scope)}/door"
        values = {"action": action, "next": within(target), "wrong": wrong, "name": name, "longest": str(LONGEST)}
        text = PAGE
        for key, value in values.items():
            text = text.replace(f"{{{{{key}}}}}", escape(value))
        return HTMLResponse(text, status, {"Cache-Control": "no-store", "X-Frame-Options": "DENY"})


def before(scope: Scope) -> str:
    """What stands before every path: where a proxy, or `server.baseUrlPath`, puts the app below another one."""
    return str(scope.get("root_path", "")) + streamlit_inside.base()


def within(target: str) -> str:
    r"""An address of this server only.

    >>> within("/test?run=3&view=matrix"), within("//elsewhere.org"), within("https://elsewhere.org"), within("/\\elsewhere.org")
    ('/test?run=3&view=matrix', '/', '/', '/')
    """
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return target if is_ours and not target.startswith("/door") else "/"


def read_words(runs: Path) -> dict[str, str]:
    """The class's words and the secret. Raises ValueError with a sentence where they were not made yet."""
    try:
        found = read_json(runs / WORDS)
    except OSError as error:
        raise ValueError("There are no words for this class yet: make class.") from error
    if not isinstance(found, dict) or not all(
        isinstance(found.get(k), str) and found[k] for k in ("learner", "teacher", "secret")
    ):
        raise ValueError(f"{runs / WORDS} is damaged: remove it, then make class.")
    return {key: str(found[key]) for key in ("learner", "teacher", "secret")}

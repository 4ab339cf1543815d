"""Which names this server answers to, and what browsers may do with its answers. Stands before everything; Starlette only.

A page of a stranger whose name is made to point at this machine (DNS rebinding) could read and start runs through a visitor's
browser: Streamlit looks at the name only where a websocket opens, so it is looked at here for every request. An origin that
is not this server's own is refused here, too, because Streamlit would first ask an address outside for its own.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pages.parts import streamlit_inside

OPEN = "/_stcore/health"
REFUSED = (
    "This server does not answer to the name {host}: add it to server.allowedHosts in .streamlit/config.toml, or start with "
    "HOSTS={host} make run."
)


def headers() -> dict[str, str]:
    """Sent with every answer. `$FMNIST_FRAMED_BY`: origins whose pages may show this app in a frame, separated by spaces."""
    framed_by = " ".join(
        ["'self'", *os.environ.get("FMNIST_FRAMED_BY", "").replace(";", " ").replace(",", " ").split()]
    )
    return {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": f"frame-ancestors {framed_by}",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


class Hosts:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.headers = app, headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        host, origin = asked.get("host"), asked.get("origin")
        is_known = str(scope.get("path", "")).endswith(OPEN) or streamlit_inside.is_host_allowed(host)
        if scope["type"] == "websocket":
            if is_known and is_own(origin, host):
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
        elif is_known:
            await self.app(scope, receive, self.with_headers(send))
        else:
            name = "".join(letter for letter in (host or "")[:100] if letter.isalnum() or letter in ".:-[]")
            await PlainTextResponse(REFUSED.format(host=name), 421)(scope, receive, self.with_headers(send))

    def with_headers(self, send: Send) -> Send:
        """Sends the headers with the start of an answer, where it has none of its own."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    answer.setdefault(name, value)
            await send(message)

        return sending


def is_own(origin: str | None, host: str | None) -> bool:
    """Whether a websocket comes from a page of this server, from one that is allowed by name, or from no browser."""
    if origin is None or streamlit_inside.is_origin_listed(origin):
        return True
    try:
        parts = urlsplit(origin)
        return parts.netloc == host or parts.hostname == streamlit_inside.server_address()
    except ValueError:
        return False

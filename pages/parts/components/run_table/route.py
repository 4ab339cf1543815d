"""What lists of runs poll. GET only; nothing is ever changed."""

from __future__ import annotations

import json
from zlib import crc32

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.runs.bell import runs_folder
from pages.parts.runs.rows import rows
from pages.parts.server.answers import Kept, Pace, sight

_answers: Kept[bytes] = Kept(1.0)
_pace = Pace(1.5, 10.0, 40)


async def runs(request: Request) -> Response:
    """`{"version": "…", "again": milliseconds, "rows": […]}`; without the rows where `?known=` is this version."""
    seen = await sight()
    body = await _answers.soon((runs_folder(), seen), _rows)
    version = f"{crc32(body):08x}"
    if request.query_params.get("known") == version:
        body = b""
    again = 1000 * _pace.asked()
    content = b'{"version":"%b","again":%d%b}' % (version.encode(), again, b',"rows":' + body if body else b"")
    return Response(content, 200, {"Cache-Control": "no-store"}, "application/json")


def _rows() -> bytes:
    return json.dumps(rows(), allow_nan=False, separators=(",", ":")).encode()


routes = [Route("/api/runs", runs)]

"""What the live charts poll: a run's events after a cursor, and the chart library. GET only; nothing is ever changed."""

from __future__ import annotations

import json
from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from fmnist_core.runs import client
from pages.parts.runs.now import now

AT_ONCE = 512 * 1024
"""Bytes of events in one answer at most; with more to come, the chart asks again at once."""

_LIBRARY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def events(request: Request) -> Response:
    """`{"events": […], "next": bytes, "more": bool, "state": "running"}`; the events are the run's own lines.

    `?after=` is the `next` of the last answer. An offset outside the file answers with no events and the file's end.
    `?most=` is how many bytes of events a slow link takes at once; a single longer line comes nevertheless.
    With `?now=1` the last answer of a row also has "now": what stands above the chart (pages/parts/runs/now.py).
    """
    after, most = request.query_params.get("after", "0"), request.query_params.get("most", str(AT_ONCE))
    if not all(number.isascii() and number.isdecimal() and len(number) < 16 for number in (after, most)):
        return _json(b'{"error":"after and most must be numbers of bytes"}', 400)
    try:
        run = client.get(request.path_params["run_id"])  # before the events: a final state means that they are complete
        folder = client.folder(run.id)
    except client.RunNotFound:
        return _json(b'{"error":"No such run"}', 404)
    try:
        lines, following = folder.read_events(int(after), max(1, min(int(most), AT_ONCE)))
        more = b"true" if lines and folder.read_events(following, 1)[0] else b"false"
    except (OSError, ValueError):  # nothing of it can be read, as the run's own row says
        lines, following, more = [], int(after), b"false"
    above = b""
    if more == b"false" and request.query_params.get("now") == "1":
        above = b',"now":' + json.dumps(now(run), allow_nan=False).encode()
    body = b'{"events":[%b],"next":%d,"more":%b,"state":"%b"%b}'
    return _json(body % (b",".join(lines), following, more, run.state.encode(), above))


def library(_request: Request) -> Response:
    """plotly.min.js as the installed package ships it; its address carries the version, so it may be kept for ever."""
    return FileResponse(
        _LIBRARY, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


# plain functions: Starlette runs them in its thread pool, so that reading a disk never holds up the server
routes = [
    Route("/api/runs/{run_id}/events", events),
    Route("/api/plotly.js", library),
]

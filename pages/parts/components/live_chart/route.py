"""What the live charts poll: a run's events after a cursor, and the chart library. GET only; nothing is ever changed."""

from __future__ import annotations

import json
from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from fmnist_core.runs import client
from fmnist_core.runs.bell import runs_folder
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import Run
from pages.parts.runs.now import now
from pages.parts.server.answers import Kept, Pace, sight

AT_ONCE = 512 * 1024
"""Bytes of events in one answer at most; with more to come, the chart asks again at once."""

_LIBRARY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


_answers: Kept[bytes] = Kept(0.2)
"""By run and place in its record: so many followers come to the same place."""
_runs: Kept[tuple[Run, RunFolder, bytes]] = Kept(0.2)
_pace = Pace(0.25, 3.0, 100)


async def events(request: Request) -> Response:
    """`{"events": […], "next": bytes, "more": bool, "state": "running", "again": milliseconds}`; the events are the run's own lines.

    `?after=` is the `next` of the last answer. An offset outside the file answers with no events and the file's end.
    `?most=` is how many bytes of events a slow link takes at once; a single longer line comes nevertheless. `again` is when to
    ask again: the more follow, the later. With `?now=1` the last answer of a row also has "now": what stands above the chart
    (pages/parts/runs/now.py).
    """
    after, most = request.query_params.get("after", "0"), request.query_params.get("most", str(AT_ONCE))
    if not all(number.isascii() and number.isdecimal() and len(number) < 16 for number in (after, most)):
        return _json(b'{"error":"after and most must be numbers of bytes"}', 400)
    run_id, with_now = request.path_params["run_id"], request.query_params.get("now") == "1"
    seen = (runs_folder(), await sight(), run_id)
    limit = max(1, min(int(most), AT_ONCE))
    try:
        body = await _answers.soon(
            (seen, int(after), limit, with_now), lambda: _events(seen, int(after), limit, with_now)
        )
    except client.RunNotFound:
        return _json(b'{"error":"No such run"}', 404)
    return _json(b'%b,"again":%d}' % (body, 1000 * _pace.asked()))


def _events(seen: tuple[Path, str, str], after: int, most: int, with_now: bool) -> bytes:
    """All of the answer but its last word. Raises RunNotFound."""
    run, folder, now = _runs.get(
        seen, lambda: _run(seen[2])
    )  # before the events: a final state means that they are complete
    try:
        lines, following = folder.read_events(after, most)
        more = b"true" if lines and folder.read_events(following, 1)[0] else b"false"
    except (OSError, ValueError):  # nothing of it can be read, as the run's own row says
        lines, following, more = [], after, b"false"
    above = b',"now":' + now if with_now and more == b"false" else b""
    return b'{"events":[%b],"next":%d,"more":%b,"state":"%b"%b' % (
        b",".join(lines),
        following,
        more,
        run.state.encode(),
        above,
    )


def _run(run_id: str) -> tuple[Run, RunFolder, bytes]:
    run = client.get(run_id)
    return run, client.folder(run_id), json.dumps(now(run), allow_nan=False).encode()


def library(_request: Request) -> Response:
    """plotly.min.js as the installed package ships it; its address carries the version, so it may be kept for ever."""
    return FileResponse(
        _LIBRARY, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


def _json(body: bytes, status: int = 200) -> Response:
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


routes = [
    Route("/api/runs/{run_id}/events", events),
    Route("/api/plotly.js", library),
]

"""What the time slider fetches once: every kept moment of a run. GET only; nothing is ever changed."""

from __future__ import annotations

import gzip
import json

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.data import dataset
from fmnist_core.runs import client

AT_ONCE = 128
"""Moments in one answer; with more to come, the slider asks again at once."""
MOST_FILTERS = 32


def kept_moments(request: Request) -> Response:
    """The moments after `?after=` (a step; -1 for all): one line of JSON, then bytes.

    `{"steps": […], "more": bool, "filters": [count, height, width] or null, "filterSteps": […]}`, then
    the true classes (10,000 uint8), the predicted ones (steps, 10,000) uint8, the filters (filterSteps, …) float32.
    """
    after = request.query_params.get("after", "-1")
    if not (after == "-1" or (after.isascii() and after.isdecimal() and len(after) < 16)):
        return Response(b'{"error":"after must be a step"}', 400, media_type="application/json")
    try:
        run = client.get(request.path_params["run_id"])
        folder = client.folder(run.id)
        found = folder.predictions()
        labels = dataset.load("test").labels
    except (client.RunNotFound, dataset.DatasetError, OSError, ValueError):
        return Response(b'{"error":"No such run"}', 404, media_type="application/json")
    later = np.flatnonzero(found.steps > int(after))
    steps, predicted = found.steps[later[:AT_ONCE]].tolist(), found.classes[later[:AT_ONCE]]
    film_steps, film = folder.snapshots.first_filters()
    kept = [row for row, step in enumerate(film_steps) if step in set(steps)]
    filters, filter_steps = film[kept, :MOST_FILTERS].astype("<f4"), [film_steps[row] for row in kept]
    head = {
        "steps": steps,
        "more": len(later) > len(steps),
        "filters": list(filters.shape[1:]) if len(filters) else None,
        "filterSteps": filter_steps,
    }
    body = b"".join([json.dumps(head).encode(), b"\n", labels.tobytes(), predicted.tobytes(), filters.tobytes()])
    headers = {"Cache-Control": "no-store"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers = gzip.compress(body, 1), headers | {"Content-Encoding": "gzip"}
    return Response(body, 200, headers, "application/octet-stream")


# a plain function: Starlette runs it in its thread pool, so that reading a disk never holds up the server
routes = [Route("/api/runs/{run_id}/moments", kept_moments)]

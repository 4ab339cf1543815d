"""What the time slider fetches once: every kept moment of a run. GET only; nothing is ever changed."""

from __future__ import annotations

import gzip
import json

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core import dataset
from fmnist_core.runs import client, moments
from fmnist_core.runs.folder import RunFolder

AT_ONCE = 40
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
        later = [step for step in folder.logit_steps() if step > int(after)]
        steps = later[:AT_ONCE]
        labels = dataset.load("test").labels
        predicted = moments.predictions(folder, steps)
    except (client.RunNotFound, dataset.DatasetError, OSError, ValueError):
        return Response(b'{"error":"No such run"}', 404, media_type="application/json")
    filters, filter_steps = _filters(folder, steps)
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


def _filters(folder: RunFolder, steps: list[int]) -> tuple[np.ndarray, list[int]]:
    """The first layer's weights as pictures, (n, count, height, width) float32, and the steps that have them."""
    found: dict[int, np.ndarray] = {}
    if not hasattr(folder, "weight_steps"):
        return np.empty((0, 0, 0, 0), np.float32), []
    for step in set(steps).intersection(folder.weight_steps()):
        filters = moments.first_filters(folder.weights(step))
        if filters is not None:
            found[step] = filters[:MOST_FILTERS].astype("<f4")
    known = sorted(found)
    return (np.stack([found[step] for step in known]) if known else np.empty((0, 0, 0, 0), np.float32)), known


# a plain function: Starlette runs it in its thread pool, so that reading a disk never holds up the server
routes = [Route("/api/runs/{run_id}/moments", kept_moments)]

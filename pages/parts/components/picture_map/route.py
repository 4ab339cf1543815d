"""What the map fetches: the pictures once, and where they are at one moment. GET only; nothing is changed."""

from __future__ import annotations

import json

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.data import dataset
from fmnist_core.inside.network import softmax
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened
from fmnist_core.runs.service import maps

BINARY, JSON = "application/octet-stream", "application/json"
BY = ("neighbours", "components")


def pictures(_request: Request) -> Response:
    """The 10,000 test pictures, 784 bytes each, then their 10,000 labels: published files, the same for ever."""
    try:
        test = dataset.load("test")
    except dataset.DatasetError:
        return Response(b'{"error":"The data set is not complete"}', 404, media_type=JSON)
    content = np.ascontiguousarray(test.images).tobytes() + test.labels.tobytes()
    return Response(content, 200, {"Cache-Control": "max-age=86400"}, BINARY)


def positions(request: Request) -> Response:
    """Where the test pictures are after `?step=`, by what the last hidden layer or (`?of=pixels`) the pixels say.

    `?by=components` asks for principal components; else they come only where nothing better has been computed. One line of
    JSON, `{"count": 10000, "by": "neighbours", "share": 0.41, "near": 0.3}`, then (count, 2) float32 and the predicted
    classes, (count,) uint8.
    """
    query = request.query_params
    step, of, by = query.get("step", ""), query.get("of", "hidden"), query.get("by", "neighbours")
    if not (step.isascii() and step.isdecimal() and len(step) < 16) or of not in ("hidden", "pixels") or by not in BY:
        return Response(
            b'{"error":"step must be a whole number, of hidden or pixels, by neighbours or components"}',
            400,
            media_type=JSON,
        )
    try:
        run = client.get(request.path_params["run_id"])
        if run.is_sealed:  # what its network says of test pictures stays hidden until its sweep has chosen
            raise client.RunNotFound
        folder = client.folder(run.id)
        shown = maps.shown(folder, int(step), of, by, len(maps.ready(folder)))  # type: ignore[arg-type]
    except (client.RunNotFound, dataset.DatasetError, LookupError, OSError, ValueError):
        return Response(b'{"error":"No such run, or nothing was kept of this moment"}', 404, media_type=JSON)
    facts = {"count": len(shown.points), "by": shown.by, "share": shown.share, "near": shown.near}
    body = [json.dumps(facts).encode(), b"\n", shown.points.astype("<f4").tobytes(), shown.guesses.tobytes()]
    return Response(b"".join(body), 200, {"Cache-Control": "no-store"}, BINARY)


def answer(request: Request) -> Response:
    """What the network says after `?step=` of the test picture `?index=`: its ten probabilities, `{"shares": […]}`."""
    step, index = (request.query_params.get(name, "") for name in ("step", "index"))
    if not all(text.isascii() and text.isdecimal() and len(text) < 16 for text in (step, index)):
        return Response(b'{"error":"step and index must be whole numbers"}', 400, media_type=JSON)
    try:
        run = client.get(request.path_params["run_id"])
        if run.is_sealed:
            raise client.RunNotFound
        image = dataset.load("test").images[int(index)]
        shares = softmax(opened(client.folder(run.id), int(step)).logits(image[None]))[0]
    except (client.RunNotFound, dataset.DatasetError, IndexError, OSError, ValueError):
        return Response(b'{"error":"No such run, picture or moment"}', 404, media_type=JSON)
    return Response(json.dumps({"shares": shares.round(4).tolist()}).encode(), 200, {"Cache-Control": "no-store"}, JSON)


# plain functions: Starlette runs them in its thread pool
routes = [
    Route("/api/pictures/test", pictures),
    Route("/api/runs/{run_id}/map", positions),
    Route("/api/runs/{run_id}/map/answer", answer),
]

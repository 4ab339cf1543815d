"""What the map fetches: the pictures once, and where they are at one moment. GET only; nothing is changed."""

from __future__ import annotations

import json

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.data import dataset
from fmnist_core.inside import layout
from fmnist_core.runs import client
from fmnist_core.runs.opened import opened, opened_steps

BINARY = "application/octet-stream"


def pictures(_request: Request) -> Response:
    """The 10,000 test pictures, 784 bytes each, then their 10,000 labels: published files, the same for ever."""
    try:
        test = dataset.load("test")
    except dataset.DatasetError:
        return Response(b'{"error":"The data set is not complete"}', 404, media_type="application/json")
    content = np.ascontiguousarray(test.images).tobytes() + test.labels.tobytes()
    return Response(content, 200, {"Cache-Control": "max-age=86400"}, BINARY)


def positions(request: Request) -> Response:
    """Where the test pictures are after `?step=`, by what the last hidden layer or (`?of=pixels`) the pixels say.

    One line of JSON, `{"count": 10000, "share": 0.41}`, then (count, 2) float32 and the predicted classes, (count,) uint8.
    """
    step, of = request.query_params.get("step", ""), request.query_params.get("of", "hidden")
    if not (step.isascii() and step.isdecimal() and len(step) < 16) or of not in ("hidden", "pixels"):
        return Response(
            b'{"error":"step must be a whole number, of hidden or pixels"}', 400, media_type="application/json"
        )
    try:
        run = client.get(request.path_params["run_id"])
        if run.is_sealed:  # what its network says of test pictures stays hidden until its sweep has chosen
            raise client.RunNotFound
        folder = client.folder(run.id)
        network, last = opened(folder, int(step)), opened(folder, opened_steps(folder)[-1])
        test = dataset.load("test").images
    except (client.RunNotFound, dataset.DatasetError, OSError, ValueError, IndexError):
        return Response(b'{"error":"No such run, or its weights were not kept"}', 404, media_type="application/json")
    images = test if run.config.architecture in ("net", "linear", "perceptron") else test[: layout.SLOW]
    if of == "pixels":
        points, share = layout.principal(layout.pixels(images))
    else:
        points, share = layout.principal(layout.seen_by_last_layer(network, images))
        points = layout.aligned(points, layout.principal(layout.seen_by_last_layer(last, images))[0])
    guesses = network.logits(images).argmax(1).astype(np.uint8)
    head = json.dumps({"count": len(images), "share": share}).encode()
    body = b"".join([head, b"\n", points.astype("<f4").tobytes(), guesses.tobytes()])
    return Response(body, 200, {"Cache-Control": "no-store"}, BINARY)


# plain functions: Starlette runs them in its thread pool
routes = [Route("/api/pictures/test", pictures), Route("/api/runs/{run_id}/map", positions)]

"""What the microscope fetches: the weights of one moment, so that the browser computes. GET only; nothing is changed."""

from __future__ import annotations

import json

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.inside.edits import EditError, Edits
from fmnist_core.inside.graph import tensor_shapes
from fmnist_core.runs import client
from fmnist_core.runs.files.opened import opened


def weights(request: Request) -> Response:
    """The weights after `?step=`, with the edits of `?edits=`: one line of JSON, then the float32 of each tensor in its order.

    `{"step": 3000, "tensors": [["conv1.weight", [10, 1, 3, 3]], …]}`
    """
    step, edits = request.query_params.get("step", ""), request.query_params.get("edits", "")
    if not (step.isascii() and step.isdecimal() and len(step) < 16):
        return Response(b'{"error":"step must be a whole number"}', 400, media_type="application/json")
    try:
        run = client.get(request.path_params["run_id"])
        network = opened(client.folder(run.id), int(step))
        network = Edits.parse(edits, network).applied(network)
    except (client.RunNotFound, OSError, ValueError) as error:
        is_edit = isinstance(error, EditError)
        words = str(error) if is_edit else "No such run, or its weights at this step were not kept"
        return Response(json.dumps({"error": words}).encode(), 400 if is_edit else 404, media_type="application/json")
    shapes = tensor_shapes(network.nodes)
    head = {"step": int(step), "tensors": list(shapes.items())}
    body = [json.dumps(head).encode(), b"\n", *(network.weights[name].astype(np.float32).tobytes() for name in shapes)]
    return Response(b"".join(body), 200, {"Cache-Control": "no-store"}, "application/octet-stream")


# a plain function: Starlette runs it in its thread pool, so that reading a disk never holds up the server
routes = [Route("/api/runs/{run_id}/weights", weights)]

"""What the drawing pad asks while the pen moves: what a network says of 784 pixels. GET only; nothing is kept or changed."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fmnist_core.data import dataset
from fmnist_core.data.brought.pixels import from_bytes
from fmnist_core.runs import client
from fmnist_core.studies.answers import respondent


def answer(request: Request) -> Response:
    """`{"probabilities": [ten], "stranger": bool, "rank": 0.98, "reason": "…"}` for `?step=` and `?pixels=`."""
    step, pixels = request.query_params.get("step", ""), request.query_params.get("pixels", "")
    if not (step.isascii() and step.isdecimal() and len(step) < 16):
        return _json({"error": "step must be a whole number"}, 400)
    try:
        picture = from_bytes(pixels[:2_000])
    except ValueError as error:
        return _json({"error": f"pixels: {error}"}, 400)
    try:
        run = client.get(request.path_params["run_id"])
        if run.is_sealed:  # of an open sweep: what it says of test pictures stays hidden, whoever brings them
            return _json({"error": "This run belongs to a sweep in which nothing has been chosen yet"}, 403)
        answers = respondent(client.folder(run.id), int(step)).answer(picture[None])
    except (client.RunNotFound, dataset.DatasetError, OSError, ValueError):
        return _json({"error": "No such run, or its weights at this step were not kept"}, 404)
    strange = answers.strangeness
    return _json(
        {
            "probabilities": answers.probabilities[0].round(5).tolist(),
            "stranger": bool(strange.is_stranger[0]),
            "rank": round(float(strange.rank[0]), 4),
            "reason": strange.reasons[0],
        }
    )


def _json(content: dict[str, object], status: int = 200) -> Response:
    return Response(json.dumps(content).encode(), status, {"Cache-Control": "no-store"}, "application/json")


# a plain function: Starlette runs it in its thread pool, so that computing never holds up the server
routes = [Route("/api/runs/{run_id}/answer", answer)]

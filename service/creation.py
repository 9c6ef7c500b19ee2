"""Answers of the routes that create: built once, stored under their ``Idempotency-Key``, and sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from service.views import to_json
from shared.queue.idempotency import Answer

CREATED = 201
REPLAYED = {"Idempotent-Replayed": "true"}


def created(view: Any, headers: Mapping[str, str]) -> Answer:
    """A 201 as it is sent, and as it is stored."""
    return Answer(CREATED, dict(headers), to_json(view))


def answered(answer: Answer) -> Response:
    headers = {**answer.headers, **REPLAYED} if answer.is_replay else answer.headers
    return Response(answer.body, answer.status, headers, media_type="application/json")

"""Request headers, for the OpenAPI document alone: routes read them from the request.

Declared as FastAPI parameters, three of them cost a fifth of a POST.
"""

from __future__ import annotations

from typing import Any

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "description": "1–255 printable ASCII characters. A repeat gets the first answer again, for 24 h at least.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
PREFER = {
    "name": "Prefer",
    "description": "`wait=N`: hold the answer up to N (at most 60) seconds for the task's end.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
TRACEPARENT = {
    "name": "traceparent",
    "description": "W3C trace context: stored with the task, restored in the worker.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "description": "An `ETag` of before: 304 while nothing changed.",
    "schema": {"type": "string"},
}
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "description": "The id of the last event seen: what follows it is sent. Wins over `starting_after`.",
    "schema": {"type": "string"},
}

RANGE = {
    "name": "Range",
    "description": "One range of bytes; any other is ignored.",
    "schema": {"type": "string"},
    "example": "bytes=0-99",
}
X_REQUEST_ID = {
    "name": "X-Request-ID",
    "description": "Names the request in logs and answers: 1–128 of `A-Za-z0-9._-`; any other is replaced.",
    "schema": {"type": "string"},
}


def takes(*headers: dict[str, Any]) -> dict[str, Any]:
    """``openapi_extra=`` of a route that reads these."""
    return {"parameters": [{"in": "header", "required": False, **header} for header in headers]}

"""The error answers: when each is given, and which of them a route documents for itself."""

from __future__ import annotations

from typing import Any

from service.schemas.problem import ProblemView

DESCRIPTIONS = {
    400: "Malformed JSON, a forged cursor, a malformed `Idempotency-Key` or `Last-Event-ID`.",
    401: "No API key, or not a valid one.",
    403: "The key lacks the scope, or no key exists and the request is not from loopback.",
    404: "There is nothing with this id, or it belongs to another tenant.",
    405: "This path does not take this method; `Allow` names those it takes.",
    409: "The state forbids it; or, with `Retry-After`, the first request with this Idempotency-Key still runs.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The body is not of the media type wanted, or is content-encoded.",
    422: "The request is not valid; `errors` names each place.",
    429: "The key has used up its budget, or too many streams are open: go on after `Retry-After`.",
    431: "The header fields are too large.",
    500: "Our fault. The request id finds it in the logs.",
    503: "The database cannot be reached, or a disk is full. Repeat after `Retry-After`.",
}
# Any request may run into these before a route sees it.
EVERYWHERE = (400, 401, 403, 405, 413, 414, 415, 422, 429, 431, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route that may answer these."""
    return {status: {"model": ProblemView, "description": DESCRIPTIONS[status]} for status in statuses}

"""The error answers a route documents for itself; those of every route stand in ``openapi``."""

from __future__ import annotations

from typing import Any

from service.schemas.problem import ProblemView

DESCRIPTIONS = {
    403: "The key lacks the scope, or no key exists and the request is not from loopback.",
    404: "There is nothing with this id, or it belongs to another tenant.",
    409: "The state does not allow this, or the first request with this Idempotency-Key still runs.",
    413: "The body is too large.",
    415: "The body is not of the media type wanted, or is content-encoded.",
    503: "The database cannot be reached. Repeat after `Retry-After`.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """``responses=`` of a route that may answer these."""
    return {status: {"model": ProblemView, "description": DESCRIPTIONS[status]} for status in statuses}

"""The trace that a request belongs to."""

from __future__ import annotations

from starlette.types import Scope

from shared.telemetry.current import traceparent
from shared.telemetry.traceparent import HEADER, read

HEADER_NAME = HEADER.encode()


def trace_of(scope: Scope) -> str | None:
    """Its own span's ``traceparent`` where spans are made, else its caller's; None where there is neither."""
    return traceparent() or asked_trace(scope)


def asked_trace(scope: Scope) -> str | None:
    """What the caller's header says."""
    return read([str(value, "latin-1") for name, value in scope["headers"] if name == HEADER_NAME])

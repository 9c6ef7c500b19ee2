"""The trace that this code works for, whether or not spans are made; and the tracer, if they are."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from shared.telemetry.traceparent import HEADER

if TYPE_CHECKING:
    from shared.telemetry.spans import Tracer

CARRIED: ContextVar[str | None] = ContextVar("carried_traceparent", default=None)
"""The submitter's own, where no spans are made: it is passed on as it came."""


class Tracing:
    """One a process. ``tracer`` is None, and costs a look, unless ``exporting`` has turned it on."""

    tracer: Tracer | None = None


TRACING = Tracing()


def traceparent() -> str | None:
    """Of the span at hand; without spans: of the caller, as it came with the request or the task."""
    return CARRIED.get() if TRACING.tracer is None else TRACING.tracer.current()


def outgoing() -> dict[str, str]:
    """Headers that let whoever is called continue this trace; none where there is no trace."""
    known = traceparent()
    return {} if known is None else {HEADER: known}

"""The trace of the program that uses the client, if that makes traces with OpenTelemetry. Loads nothing of it."""

from __future__ import annotations

import sys

from shared.telemetry.traceparent import HEADER, written


def trace_header() -> dict[str, str]:
    """What makes the service's spans parts of the span at hand; nothing where there is none."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return {}
    about = api.get_current_span().get_span_context()
    return {HEADER: written(about.trace_id, about.span_id, about.trace_flags)} if about.is_valid else {}

"""The header ``traceparent`` of W3C trace context: read strictly, written as version 00. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

HEADER = "traceparent"
SAMPLED = 1
# A later version may say more behind the flags; an all-zero id and the version ff are none.
SHAPE = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


def read(headers: Sequence[str]) -> str | None:
    """What the request's header says, or None: W3C wants one that is malformed, or there twice, ignored."""
    found = SHAPE.fullmatch(headers[0]) if len(headers) == 1 else None
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "00":
        return None if more is not None else headers[0]
    # Of another version's flags only the first is known to mean what it does here.
    return written(int(trace, 16), int(span, 16), int(flags, 16) & SAMPLED)


def written(trace_id: int, span_id: int, flags: int) -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"


def numbers(traceparent: str) -> tuple[int, int, int]:
    """Trace id, span id and flags of what ``read`` or ``written`` gave."""
    _, trace, span, flags = traceparent.split("-")
    return int(trace, 16), int(span, 16), int(flags, 16)


def facts_of(traceparent: str | None) -> dict[str, str]:
    """What a log line says of the trace it belongs to; nothing where there is none."""
    if traceparent is None:
        return {}
    _, trace, span, _ = traceparent.split("-")
    return {"trace_id": trace, "span_id": span}

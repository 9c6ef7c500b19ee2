"""The trace of a request: its caller's where no spans are made, in the log lines of the request too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from service.middleware.context import RequestContext
from service.trace_context import trace_of
from shared.logs import FACTS

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01".encode()


def asked(*traceparents: bytes) -> Scope:
    headers = [(b"host", b"localhost"), *((b"traceparent", value) for value in traceparents)]
    return {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}


@pytest.mark.parametrize(
    ("traceparents", "kept"), [((), None), ((GOOD,), GOOD.decode()), ((b"00-\xff",), None), ((GOOD, GOOD), None)]
)
def test_a_request_has_its_callers_trace(traceparents: tuple[bytes, ...], kept: str | None) -> None:
    assert trace_of(asked(*traceparents)) == kept


async def facts_in(scope: Scope) -> Mapping[str, object]:
    """What a line of this request carries."""
    found: list[Mapping[str, object]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        known = FACTS.get()
        assert known is not None
        found.append(known())

    nothing: Any = None
    await RequestContext(app)(scope, nothing, nothing)
    return found[0]


async def test_the_lines_of_a_request_name_its_trace() -> None:
    facts = await facts_in(asked(GOOD))
    assert (facts["trace_id"], facts["span_id"]) == (TRACE, SPAN)
    assert facts.keys() == {"request_id", "trace_id", "span_id"}
    assert (await facts_in(asked())).keys() == {"request_id"}

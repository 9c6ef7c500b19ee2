"""A client's calls continue the trace of the program that makes them."""

from __future__ import annotations

import httpx
from opentelemetry import trace

from service.client.calls import Call
from service.client.transport import request_of

CALL = Call("GET", "/api/v1/tasks", lambda reply: reply.status, headers={"Prefer": "wait=1"})


def test_a_call_continues_the_span_at_hand() -> None:
    about = trace.SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_remote=False)
    with httpx.Client(base_url="http://127.0.0.1:1", trust_env=False) as http:
        assert "traceparent" not in request_of(http, CALL).headers
        with trace.use_span(trace.NonRecordingSpan(about)):
            request = request_of(http, CALL)
    assert request.headers["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
    assert request.headers["prefer"] == "wait=1"

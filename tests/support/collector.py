"""An OpenTelemetry collector: an OTLP/HTTP receiver on loopback that keeps every span, and can refuse to answer.

In threads of its own: the exporter's requests are answered whatever the test's loop does.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

PATIENCE_S, POLL_S = 20.0, 0.02
EAGER = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Milliseconds between two requests of an exporter."""


@dataclass(frozen=True)
class Seen:
    """One span as it arrived. Ids are hexadecimal; ``parent`` is empty for the first of a trace."""

    name: str
    kind: str
    service: str
    trace: str
    id: str
    parent: str
    failed: bool
    attributes: dict[str, Any]

    @property
    def error(self) -> Any:
        return self.attributes.get("error.type")


class Collector:
    """``with Collector() as collector``; ``hangs`` makes it take requests and never answer."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        self.asked = 0
        self._end = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self, hangs=hangs))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def env(self) -> dict[str, str]:
        """What makes a process send its spans here, soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, **EAGER}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def of(self, trace: str) -> list[Seen]:
        """The spans of one trace, in the order they ended."""
        return [span for span in self.spans if span.trace == trace]

    async def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, [(span.kind, span.name) for span in self.spans]
            await asyncio.sleep(POLL_S)

    async def got(self, number: int) -> list[Seen]:
        """So many spans, in the order they ended."""
        await self.until(lambda: len(self.spans) >= number)
        return self.spans

    async def trace_of(self, trace: str, *names: str) -> list[Seen]:
        """The spans of one trace with these names, once all have arrived; one name may come more than once."""
        await self.until(lambda: sorted(names) == sorted(span.name for span in self.of(trace) if span.name in names))
        left = self.of(trace)
        found = []
        for name in names:
            found.append(next(span for span in left if span.name == name))
            left.remove(found[-1])
        return found

    def take(self, body: bytes) -> None:
        self.bodies.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {pair.key: _plain(pair.value) for pair in resource.resource.attributes}["service.name"]
            self.spans += [_seen(span, service) for scope in resource.scope_spans for span in scope.spans]

    def hold(self) -> None:
        """Until the end of this collector."""
        self._end.wait(PATIENCE_S * 2)


def _handler_of(collector: Collector, *, hangs: bool) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.asked += 1
            if hangs:
                collector.hold()
                return
            collector.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Not to stderr."""

    return Handler


def _seen(span: Span, service: str) -> Seen:
    return Seen(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        service=service,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        attributes={pair.key: _plain(pair.value) for pair in span.attributes},
    )


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    return None if kind is None else getattr(value, kind)

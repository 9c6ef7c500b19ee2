"""Spans by OpenTelemetry's API. Loaded only where they are made; knows nothing of providers and exporters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Literal, Self

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach

from shared.telemetry.traceparent import numbers, written

Kind = Literal["SERVER", "CLIENT", "PRODUCER", "CONSUMER"]
Attributes = Mapping[str, str | int | float | bool | Sequence[str]]


class Span:
    """A span that was started and must be ended once: by ``with``, which also makes it the current one, or by hand.

    An error is a word of a bounded set, never a message: those quote what users sent.
    """

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None
        about = span.get_span_context()
        self.traceparent = written(about.trace_id, about.span_id, about.trace_flags)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, error: str) -> None:
        """It went wrong; ``error`` says how."""
        self._span.set_attribute("error.type", error)
        self._span.set_status(trace.StatusCode.ERROR)

    def enter(self) -> None:
        """Make it the current one of this context."""
        self._token = attach(trace.set_span_in_context(self._span))

    def end(self) -> None:
        self._span.end()

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            detach(self._token)
        if kind is not None:
            self.fail(kind.__name__)
        self.end()


class Tracer:
    """Starts spans."""

    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer

    def child(self, name: str, kind: Kind, attributes: Attributes) -> Span:
        """A part of the span at hand; where there is none, the first of a new trace."""
        return self._start(name, kind, attributes, None)

    def continuing(self, traceparent: str | None, name: str, kind: Kind, attributes: Attributes) -> Span:
        """Continues what another process began; None: the first of a new trace."""
        # An empty context: what this code happens to run in is not what caused the work.
        context = Context() if traceparent is None else trace.set_span_in_context(_remote(traceparent), Context())
        return self._start(name, kind, attributes, context)

    def current(self) -> str | None:
        """The ``traceparent`` of the span at hand."""
        about = trace.get_current_span().get_span_context()
        return written(about.trace_id, about.span_id, about.trace_flags) if about.is_valid else None

    def _start(self, name: str, kind: Kind, attributes: Attributes, context: Context | None) -> Span:
        return Span(self._tracer.start_span(name, context, trace.SpanKind[kind], attributes))


def _remote(traceparent: str) -> trace.Span:
    trace_id, span_id, flags = numbers(traceparent)
    return trace.NonRecordingSpan(
        trace.SpanContext(trace_id, span_id, is_remote=True, trace_flags=trace.TraceFlags(flags))
    )

"""OpenTelemetry's SDK: the only module that loads it. It reads its own variables; nothing of them is repeated here.

The queue of ended spans is bounded (OTEL_BSP_MAX_QUEUE_SIZE) and sent by a thread, each request within a time limit
(OTEL_EXPORTER_OTLP_TIMEOUT): what a dead collector does not take is dropped, and nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from uuid import uuid4

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared.telemetry.spans import Tracer

DISTRIBUTION = "async-ai-task-runner"


def start(service: str) -> tuple[Tracer, Callable[[], None]]:
    """A tracer whose spans are sent, and what ends it: blocking, for as long as the exporter takes."""
    # At exit nothing is flushed: that would wait for thirty seconds.
    provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        # Spans that handlers make with OpenTelemetry's API become parts of their run's.
        trace.set_tracer_provider(provider)
    return Tracer(provider.get_tracer("taskrunner", version(DISTRIBUTION))), provider.shutdown


def _resource(service: str) -> Resource:
    """Who sends. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    ours = {"service.name": service, "service.version": version(DISTRIBUTION), "service.instance.id": str(uuid4())}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})

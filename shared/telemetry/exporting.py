"""Whether this process sends traces, by OpenTelemetry's own variables; turned on with it, and ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping

from shared.domain.errors import ConfigurationError
from shared.telemetry.current import TRACING

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
LAST_SECONDS = 2.0
"""For the spans still held when the process ends. A collector that does not answer holds nobody up for longer."""
LOOK_SECONDS = 0.02


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether traces are to be sent.

    Raises:
        ConfigurationError: they are, and cannot be.
    """
    endpoint = next((name for name in ENDPOINTS if environment.get(name)), None)
    exporter = environment.get("OTEL_TRACES_EXPORTER") or "otlp"
    is_disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if endpoint is None or exporter == "none" or is_disabled:
        return False
    if exporter != "otlp":
        raise ConfigurationError("OTEL_TRACES_EXPORTER: only otlp and none are known here")
    protocol = next((name for name in PROTOCOLS if environment.get(name)), None)
    if protocol is not None and environment[protocol] != PROTOCOL:
        raise ConfigurationError(f"{protocol}: only {PROTOCOL} is spoken here (port 4318 of most collectors)")
    if not environment[endpoint].startswith(("http://", "https://")):
        raise ConfigurationError(f"{endpoint}: must start with http:// or https://")
    try:
        import shared.telemetry.sdk  # noqa: F401, PLC0415 - only where traces are wanted
    except ImportError as error:
        missing = f"{endpoint} is set, but {error.name} is not installed"
        raise ConfigurationError(f"{missing}: pip install 'async-ai-task-runner[otel]', or unset it") from None
    return True


@contextlib.asynccontextmanager
async def exporting(service: str) -> AsyncIterator[None]:
    """Make and send spans until the block ends, if that is wanted and nobody does it in this process yet.

    Raises: ConfigurationError.
    """
    if TRACING.tracer is not None or not is_wanted():
        yield
        return
    from shared.telemetry import sdk  # noqa: PLC0415 - only where traces are wanted

    TRACING.tracer, shut_down = sdk.start(service)
    try:
        yield
    finally:
        TRACING.tracer = None
        await _bounded(shut_down)


async def _bounded(shut_down: Callable[[], None]) -> None:
    """In a daemon thread, which is left behind: one of a pool would be waited for at the end of the process."""
    thread = threading.Thread(target=shut_down, name="last-spans", daemon=True)
    thread.start()
    deadline = time.monotonic() + LAST_SECONDS
    while thread.is_alive() and time.monotonic() < deadline:  # noqa: ASYNC110 - a thread says nothing when it ends
        await asyncio.sleep(LOOK_SECONDS)

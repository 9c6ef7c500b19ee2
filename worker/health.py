"""The worker's own health port: /health/live, /health/ready and /health for orchestrators, /metrics for Prometheus."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import orjson
import uvicorn

from shared import metrics
from shared.domain.errors import ConfigurationError
from shared.embedded.ports import bound_socket
from shared.logs import get_logger
from shared.queue.gauges import of_process
from shared.queue.health import database_health
from worker.incarnation import Incarnation

PORT_SECONDS = 0.5
log = get_logger("worker.health")


async def serve_health(runtime: Incarnation) -> None:
    """Serve TASKRUNNER_WORKER_HEALTH_PORT until cancelled; unset: nothing is served.

    On loopback; a container sets TASKRUNNER_WORKER_HEALTH_HOST where its probes come from outside.
    """
    port = runtime.settings.worker_health_port
    if port is None:
        return
    host = runtime.settings.worker_health_host
    listener = await _bound(port, host)
    server = _Server(uvicorn.Config(_app(runtime), log_config=None, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve([listener]), name="health-server")
    try:
        await asyncio.shield(serving)
    finally:
        # Told, not cancelled: uvicorn closes its sockets only on its own way out.
        server.should_exit = server.force_exit = True
        await serving


async def _bound(port: int, host: str) -> socket.socket:
    """The port, as soon as it is free: in a rolling restart a predecessor holds it until it has drained."""
    is_told = False
    while True:
        try:
            return bound_socket(port, "the health port", host)
        except ConfigurationError as error:
            if not is_told:
                log.warning("health_port_not_free", error=str(error))
            is_told = True
        await asyncio.sleep(PORT_SECONDS)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The worker owns its signals."""
        yield


def _app(runtime: Incarnation) -> Any:
    async def app(scope: dict[str, Any], _receive: Any, send: Any) -> None:
        is_read = scope["method"] in {"GET", "HEAD"}
        if is_read and scope["path"] == "/metrics":
            await _send_metrics(runtime, send)
            return
        status, body = await _answer(runtime, scope["path"]) if is_read else (405, {"status": "method not allowed"})
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), (b"allow", b"GET, HEAD")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(body)})

    return app


async def metrics_page(runtime: Incarnation) -> bytes:
    """What this worker counted, and how it stands. Asks Redis alone: PostgreSQL is asked by every heartbeat."""
    slots = [(("running",), runtime.executions.running), (("all",), runtime.info.concurrency)]
    told = metrics.gauge("worker_slots", "Tasks that run here, and that may.", slots, "state")
    redis = await runtime.stores.broker.ping()
    return metrics.page([told, *of_process(runtime.stores, database=not runtime.pump.is_held, redis=redis)])


async def _send_metrics(runtime: Incarnation, send: Any) -> None:
    body = await metrics_page(runtime)
    headers = [(b"content-type", metrics.CONTENT_TYPE.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _answer(runtime: Incarnation, path: str) -> tuple[int, dict[str, Any]]:
    match path:
        case "/health/live":
            return 200, {"status": "ok"}
        case "/health/ready" | "/health":
            body = await _state(runtime)
            return (503 if body["status"] == "unavailable" else 200), body
        case _:
            return 404, {"status": "not found"}


async def _state(runtime: Incarnation) -> dict[str, Any]:
    """The words of the API's health. A worker that drains is not ready for more."""
    stores = runtime.stores
    found, pong = await asyncio.gather(database_health(stores), stores.broker.ping())
    database, broker = "ok" if found else "down", "ok" if pong else "down"
    components: dict[str, Any] = {"database": {"status": database}, "broker": {"status": broker}}
    if runtime.arq_jobs is not None:
        components["arq_jobs"] = runtime.arq_jobs.health()
    is_whole = all(one["status"] == "ok" for one in components.values())
    is_usable = database == "ok" and runtime.state == "running"
    return {
        "status": "unavailable" if not is_usable else "ok" if is_whole else "degraded",
        "components": components,
        "state": runtime.state,
        "worker": str(runtime.info.id),
        "running": runtime.executions.running,
        "concurrency": runtime.info.concurrency,
        "version": runtime.info.version,
    }

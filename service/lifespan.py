"""What lives as long as the API process: its stores, its part of the death watch, and the bootstrap key."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine

from fastapi import FastAPI

from service.dependencies import House
from service.draining import drain_before_shutdown, running_server
from service.health import readiness
from service.slow_clients import ClientLimits, guard_connections, watch_clients
from shared import notify
from shared.children import end
from shared.domain.errors import StoreUnavailable
from shared.heap import leave_to_the_process
from shared.logs import get_logger
from shared.queue.keys import ensure_bootstrap_key
from shared.queue.liveness import watch_for_ever
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from shared.telemetry.exporting import exporting

PATIENCE_SECONDS = 5.0
RETRY_SECONDS = 2.0
READY_POLL_SECONDS = 0.2

Beside = Callable[[Stores], Coroutine[None, None, None]]

log = get_logger(__name__)


@contextlib.asynccontextmanager
async def stand(app: FastAPI, settings: Settings, registry: Registry, *beside: Beside) -> AsyncIterator[None]:
    """Open the stores for ``app``, and run ``beside`` on them. PostgreSQL may be away: requests get 503 meanwhile."""
    stores = Stores(
        settings,
        pool_size=settings.api_pool_size,
        overflow=settings.api_pool_overflow,
        application="taskrunner-api",
        patience=PATIENCE_SECONDS,
    )
    async with exporting("taskrunner-api"), stores:
        app.state.house = House(stores, registry, settings)
        drain_before_shutdown(hurry=stores.end_waits)
        server, limits = running_server(), ClientLimits()
        guard_connections(server, limits)
        children = (
            asyncio.create_task(_bootstrap(stores), name="bootstrap-key"),
            asyncio.create_task(watch_for_ever(stores), name="death-watch"),
            asyncio.create_task(_say_ready(stores), name="say-ready"),
            *([asyncio.create_task(watch_clients(server, limits), name="slow-clients")] if server is not None else ()),
            *(asyncio.create_task(work(stores), name=work.__qualname__) for work in beside),
        )
        leave_to_the_process()
        log.info("api_started", task_types=len(registry))
        try:
            yield
        finally:
            await end(*children)


async def _say_ready(stores: Stores) -> None:
    """Tell whoever started us, if it asked, once /health/ready would."""
    while notify.is_asked_for():
        if (await readiness(stores)).status != "unavailable":
            notify.say_ready()
            return
        await asyncio.sleep(READY_POLL_SECONDS)


async def _bootstrap(stores: Stores) -> None:
    """Make the first key, as soon as the database can be reached."""
    while True:
        try:
            await ensure_bootstrap_key(stores)
        except StoreUnavailable:
            await asyncio.sleep(RETRY_SECONDS)
        else:
            return

"""What a worker watches beside its runs: its own heartbeat, cancel requests, and its own wear."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psutil

from shared.broker.keys import HEALTH_KEY
from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.queue import workers
from shared.queue.settle import cancels_among
from shared.queue.stores import Stores
from worker.executions import Executions

if TYPE_CHECKING:
    from worker.runtime import Runtime

BEAT_SECONDS = 1.0
CANCEL_POLL_SECONDS = 0.5
WEAR_SECONDS = 1.0
log = get_logger("worker")


async def beat_for_ever(runtime: Runtime) -> None:
    """Tell PostgreSQL every second that this worker lives, and Redis for ``arq --check``."""
    stores = runtime.stores
    while True:
        with contextlib.suppress(StoreUnavailable):
            if not await workers.beat(stores, runtime.info.id, runtime.state):
                await workers.register(stores, runtime.info)
        health = f"state={runtime.state} running={len(runtime.executions.keys)} started={runtime.executions.started}"
        expiry = round(stores.settings.lease_seconds * 1000)
        await stores.broker.guarded(stores.broker.queue.set(HEALTH_KEY, health, px=expiry))
        await asyncio.sleep(BEAT_SECONDS)


async def watch_cancels(stores: Stores, executions: Executions) -> None:
    """Find cancel requests in the rows of running tasks, for those that no announcement told of."""
    while True:
        await asyncio.sleep(CANCEL_POLL_SECONDS)
        if runs := executions.keys:
            with contextlib.suppress(StoreUnavailable):
                for task_id in await cancels_among(stores, runs):
                    executions.cancel(task_id)


async def watch_wear(runtime: Runtime) -> None:
    """Drain after MAX_TASKS_PER_WORKER tasks or past MAX_WORKER_MEMORY_MB; the supervisor starts a fresh one."""
    settings, process = runtime.settings, psutil.Process()
    while True:
        await asyncio.sleep(WEAR_SECONDS)
        if settings.max_tasks_per_worker and runtime.executions.started >= settings.max_tasks_per_worker:
            log.info("worker_recycled", reason="tasks", started=runtime.executions.started)
            break
        megabytes = process.memory_info().rss // 1_048_576
        if settings.max_worker_memory_mb and megabytes > settings.max_worker_memory_mb:
            log.info("worker_recycled", reason="memory", megabytes=megabytes)
            break
    runtime.drain()

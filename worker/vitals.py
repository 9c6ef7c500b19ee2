"""A worker's vital signs: what each heartbeat brings, the audit of its leases, and its own wear."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import psutil

from shared.broker.keys import HEALTH_KEY
from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.queue.liveness import Watcher, release_unknown
from worker.heartbeat import Heartbeat, Reading

if TYPE_CHECKING:
    from worker.runtime import Runtime

TICK_SECONDS = 1.0
AUDIT_SECONDS = 5.0
log = get_logger("worker")


class DeclaredDead(Exception):
    """Others declared this worker dead, and took its tasks back: stop at once, and start anew."""


async def live(runtime: Runtime) -> None:
    """Beat, and act on what each beat says, until cancelled. Raises: DeclaredDead."""
    readings: asyncio.Queue[Reading | None] = asyncio.Queue()
    url = runtime.settings.database_url.get_secret_value()
    heartbeat = Heartbeat(url, runtime.info.id, lambda: runtime.state, readings.put_nowait)
    watcher = Watcher(runtime.stores)
    heartbeat.start()
    ticking = asyncio.create_task(_tick(heartbeat), name="tick")
    try:
        while True:
            await _act_on(await readings.get(), runtime, watcher)
    finally:
        ticking.cancel()
        await asyncio.shield(heartbeat.stop())


async def _tick(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.tick()
        await asyncio.sleep(TICK_SECONDS)


async def _act_on(reading: Reading | None, runtime: Runtime, watcher: Watcher) -> None:
    if reading is None:
        watcher.failed()
        runtime.pump.hold()
        return
    if not reading.beat.is_alive:
        raise DeclaredDead
    runtime.pump.go_on()
    for task_id in reading.beat.cancels:
        runtime.executions.cancel(task_id)
    await _tell_arq(runtime)
    try:
        await watcher.judge(reading.beat.counters, asked_at=reading.asked_at, answered_at=reading.answered_at)
    except StoreUnavailable:
        watcher.failed()


async def _tell_arq(runtime: Runtime) -> None:
    """The key that ``arq --check`` looks for."""
    broker, executions = runtime.stores.broker, runtime.executions
    health = f"state={runtime.state} running={executions.running} started={executions.started}"
    expiry_ms = round(runtime.settings.lease_seconds * 1000)
    await broker.guarded(broker.queue.set(HEALTH_KEY, health, px=expiry_ms))


async def audit(runtime: Runtime) -> None:
    """Every few seconds, give back what the rows say we run and we don't: the reply to a claim was lost."""
    while True:
        await asyncio.sleep(AUDIT_SECONDS)
        with contextlib.suppress(StoreUnavailable):
            await release_unknown(runtime.stores, runtime.info.id, runtime.executions.leases)


async def watch_wear(runtime: Runtime) -> None:
    """Drain after MAX_TASKS_PER_WORKER tasks or past MAX_WORKER_MEMORY_MB; the supervisor starts a fresh one."""
    settings, process = runtime.settings, psutil.Process()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if settings.max_tasks_per_worker and runtime.executions.started >= settings.max_tasks_per_worker:
            log.info("worker_recycled", reason="tasks", started=runtime.executions.started)
            break
        megabytes = process.memory_info().rss // 1_048_576
        if settings.max_worker_memory_mb and megabytes > settings.max_worker_memory_mb:
            log.info("worker_recycled", reason="memory", megabytes=megabytes)
            break
    runtime.drain()

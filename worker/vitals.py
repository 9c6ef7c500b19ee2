"""A worker's vital signs: what each heartbeat brings, the audit of its leases, and its own wear."""

from __future__ import annotations

import asyncio
from collections import Counter

import psutil

from shared.broker.keys import HEALTH_KEY
from shared.broker.throughput import count_ended
from shared.children import end
from shared.domain.errors import StoreUnavailable
from shared.logs import get_logger
from shared.queue.liveness import Watcher, release_unknown
from worker.heartbeat import Heartbeat, Reading
from worker.incarnation import Incarnation

TICK_SECONDS = 1.0
AUDIT_SECONDS = 5.0
log = get_logger("worker")


class DeclaredDead(Exception):
    """Others declared this worker dead, and took its tasks back: stop at once, and start anew."""


class Vitals:
    """Acts on each beat as it comes; judging the others, which asks the database, takes only the newest."""

    def __init__(self, runtime: Incarnation) -> None:
        self._runtime = runtime
        self._newest: Reading | None = None
        self._changed = asyncio.Event()
        self._is_dead = False

    async def watch(self) -> None:
        """Beat and judge until cancelled. Raises: DeclaredDead."""
        runtime = self._runtime
        url = runtime.settings.database_url.get_secret_value()
        heartbeat = Heartbeat(url, runtime.info.id, lambda: runtime.state, self._hear)
        heartbeat.start()
        ticking = asyncio.create_task(_tick(heartbeat), name="tick")
        try:
            await self._judge_for_ever(Watcher(runtime.stores))
        finally:
            await end(ticking)
            await asyncio.shield(heartbeat.stop())

    def _hear(self, reading: Reading | None) -> None:
        self._newest = reading
        self._changed.set()
        if reading is None:
            self._runtime.pump.hold()
            return
        if not reading.beat.is_alive:
            self._is_dead = True
            return
        if reading.beat.must_drain and self._runtime.state == "running":
            log.info("worker_drained", worker=str(self._runtime.info.id))
            self._runtime.recycle()
        self._runtime.pump.go_on()
        for request in reading.beat.cancels:
            self._runtime.executions.cancel(request)

    async def _judge_for_ever(self, watcher: Watcher) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._is_dead:
                raise DeclaredDead
            if (reading := self._newest) is None:
                watcher.failed()
                continue
            await self._tell_redis()
            await watcher.judge(reading.beat.counters, asked_at=reading.asked_at, answered_at=reading.answered_at)

    async def _tell_redis(self) -> None:
        """The key that ``arq --check`` looks for, and what ended since the last time."""
        runtime = self._runtime
        broker, executions = runtime.stores.broker, runtime.executions
        health = f"state={runtime.state} running={executions.running} started={executions.started}"
        expiry_ms = round(runtime.settings.lease_seconds * 1000)
        await broker.guarded(broker.queue.set(HEALTH_KEY, health, px=expiry_ms))
        ended, executions.ended = executions.ended, Counter()
        await count_ended(broker, ended)


async def _tick(heartbeat: Heartbeat) -> None:
    while True:
        heartbeat.tick()
        await asyncio.sleep(TICK_SECONDS)


async def audit(runtime: Incarnation) -> None:
    """Every few seconds, give back what the rows say we run and we don't: the reply to a claim was lost."""
    while True:
        await asyncio.sleep(AUDIT_SECONDS)
        try:
            await release_unknown(runtime.stores, runtime.info.id, runtime.executions.knows)
        except StoreUnavailable:
            log.warning("audit_skipped", reason="database away")


async def watch_wear(runtime: Incarnation) -> None:
    """Recycle the worker when it is worn; the supervisor starts a fresh one."""
    process = psutil.Process()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        if reason := _wear(runtime, process):
            break
    log.info("worker_recycled", reason=reason, started=_started(runtime))
    runtime.recycle()


def _wear(runtime: Incarnation, process: psutil.Process) -> str | None:
    """Why this worker is worn: MAX_TASKS_PER_WORKER, MAX_WORKER_MEMORY_MB, or threads that never came back."""
    settings = runtime.settings
    if settings.max_tasks_per_worker and _started(runtime) >= settings.max_tasks_per_worker:
        return "tasks"
    megabytes = process.memory_info().rss // 1_048_576
    if settings.max_worker_memory_mb and megabytes > settings.max_worker_memory_mb:
        return "memory"
    if runtime.blocking.abandoned_threads >= max(1, settings.concurrency // 2):
        return "threads"
    return None


def _started(runtime: Incarnation) -> int:
    """Tasks, and arq jobs of the user's own: either may leak."""
    return runtime.executions.started + (runtime.arq_jobs.started if runtime.arq_jobs else 0)

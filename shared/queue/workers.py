"""The workers that live, and why a waiting task may wait for ever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID

from shared.db.statements import queues
from shared.db.statements import workers as statements
from shared.domain.errors import NotFound
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.worker import WorkerInfo
from shared.queue.audit import Actor, note
from shared.queue.stores import Stores

CACHE_SECONDS = 1.0
PRUNE_AFTER_SECONDS = 3_600.0


async def register(stores: Stores, worker: WorkerInfo) -> None:
    async with stores.db.autocommit() as session:
        await statements.register(session, worker)


async def deregister(stores: Stores, worker_id: UUID) -> None:
    async with stores.db.autocommit() as session:
        await statements.remove(session, worker_id)


async def prune_workers(stores: Stores) -> None:
    """Forget dead workers that were not seen for an hour."""
    async with stores.db.autocommit() as session:
        await statements.prune(session, after=PRUNE_AFTER_SECONDS)


async def live_workers(stores: Stores) -> list[WorkerInfo]:
    """Workers whose heartbeat is younger than the lease."""
    async with stores.db.autocommit() as session:
        return await statements.live(session, within=stores.settings.lease_seconds)


async def running_by_worker(stores: Stores, tenant_id: int, workers: Sequence[WorkerInfo]) -> dict[UUID, list[UUID]]:
    """Ids of the tenant's running tasks, by worker."""
    async with stores.db.autocommit() as session:
        return await statements.running_by_worker(session, tenant_id, [worker.id for worker in workers])


async def drain(stores: Stores, worker_id: UUID, by: Actor | None = None) -> WorkerInfo:
    """Ask a worker to take no more, finish what it runs, and end: it reads that with its next heartbeat.

    Raises: NotFound, StoreUnavailable.
    """
    async with stores.db.transaction() as session:
        worker = await statements.drain(session, worker_id)
        if worker is None:
            raise NotFound
        await note(session, by, "worker.drain", worker_id, hostname=worker.hostname)
    return worker


class Serving:
    """What the live workers can serve, and what is paused, asked at most once a second."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._workers: list[WorkerInfo] = []
        self._paused: set[tuple[int, str]] = set()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def why_waiting(self, task: Task) -> str | None:
        """What is missing for ``task`` to start, or None where nothing is, or it does not wait."""
        if task.status not in {Status.PENDING, Status.RETRYING}:
            return None
        async with self._reading:
            if time.monotonic() - self._read_at > CACHE_SECONDS:
                self._workers = await live_workers(self._stores)
                async with self._stores.db.autocommit() as session:
                    self._paused = await queues.paused_of_all(session)
                self._read_at = time.monotonic()
        if (task.tenant_id, task.queue) in self._paused:
            return f"Waiting: the queue {task.queue} is paused."
        return missing_for(task.type, task.queue, self._workers)


def missing_for(task_type: str, queue: str, workers: list[WorkerInfo]) -> str | None:
    """Why none of ``workers`` can take a task of ``task_type`` from ``queue``; None: one can."""
    workers = [w for w in workers if w.state == "running"]
    if not workers:
        return "Waiting: no worker is running."
    here = [w for w in workers if queue in w.queues]
    if not here:
        return f"Waiting: no running worker serves the queue {queue}."
    if any(task_type in w.types for w in here):
        return None
    reasons = sorted({w.missing[task_type] for w in here if task_type in w.missing})
    if reasons:
        return f"Waiting: {reasons[0]}"
    return f"Waiting: no running worker of the queue {queue} knows the task type {task_type}."

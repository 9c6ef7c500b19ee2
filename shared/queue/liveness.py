"""Liveness: watch the heartbeats, declare the dead, take back what they ran. The API and every worker do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from shared.broker.announce import announce_finals
from shared.db.statements import liveness as statements
from shared.domain.deathwatch import DeathWatch
from shared.domain.errors import StoreUnavailable
from shared.domain.task import Task
from shared.logs import get_logger
from shared.queue.stores import Stores
from shared.queue.submit import hint

WATCH_SECONDS = 1.0
RESCUE_BATCH = 500
log = get_logger(__name__)


class Watcher:
    """One process's death watch over the heartbeat counters."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._watch = DeathWatch(stores.settings.lease_seconds)

    def failed(self) -> None:
        self._watch.failed()

    async def judge(self, counters: Mapping[UUID, int], *, asked_at: float, answered_at: float) -> None:
        """Declare whom this reading shows dead, then take back every task of the dead. Raises: StoreUnavailable."""
        for suspect in self._watch.read(counters, asked_at=asked_at, answered_at=answered_at):
            async with self._stores.db.autocommit() as session:
                if await statements.declare_dead(session, suspect.worker_id, suspect.beat):
                    log.warning("worker_declared_dead", dead=str(suspect.worker_id), beat=suspect.beat)
        await rescue(self._stores)


async def watch_for_ever(stores: Stores) -> None:
    """Read, judge and rescue every second, until cancelled: the API's part."""
    watcher = Watcher(stores)
    while True:
        asked_at = time.monotonic()
        try:
            async with stores.db.autocommit() as session:
                counters = await statements.counters(session)
            await watcher.judge(counters, asked_at=asked_at, answered_at=time.monotonic())
        except StoreUnavailable:
            watcher.failed()
        await asyncio.sleep(WATCH_SECONDS)


async def rescue(stores: Stores) -> int:
    """Take back the running tasks of workers that do not live; returns how many."""
    rescued = 0
    while True:
        async with stores.db.autocommit() as session:
            batch = await statements.rescue(session, most=RESCUE_BATCH)
        await _told(stores, batch)
        rescued += len(batch)
        if batch:
            log.warning("tasks_rescued", count=len(batch))
        if len(batch) < RESCUE_BATCH:
            return rescued


async def release_unknown(stores: Stores, worker_id: UUID, known: Callable[[], Collection[UUID]]) -> int:
    """Give back what the rows say ``worker_id`` runs under a lease that is none of ``known``.

    Such a run began with a claim whose reply was lost. ``known`` gives every lease the worker made and
    has not given up; it is asked after the rows were read, so a claim that lands in between is known.
    """
    async with stores.db.autocommit() as session:
        runs = await statements.owned(session, worker_id)
        leases = known()
        unknown = [run for run in runs if run[1] not in leases]
        if not unknown:
            return 0
        released = await statements.release(session, unknown)
    await _told(stores, released)
    log.warning("unknown_leases_released", count=len(released))
    return len(released)


async def _told(stores: Stores, tasks: list[Task]) -> None:
    finals = [task for task in tasks if task.status.is_final]
    if finals:
        await announce_finals(stores.broker, finals, stores.settings.result_ttl)
    hint(stores, [task for task in tasks if not task.status.is_final])

"""Liveness: watch the heartbeats, declare the dead, take back what they ran. The API and every worker do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from shared.broker.announce import final_of
from shared.db.statements import liveness as statements
from shared.domain.deathwatch import DeathWatch, Suspect
from shared.domain.errors import StoreUnavailable
from shared.domain.happenings import Name, moved
from shared.domain.task import Task
from shared.logs import get_logger
from shared.metrics import TASKS_ENDED, TASKS_RESCUED, WORKERS_DIED
from shared.queue.stores import Stores
from shared.queue.submit import hint

WATCH_SECONDS = 0.5
"""Twice as often as hearts beat: half a second less until a death is seen."""
RESCUE_SECONDS = 2.0
"""Between two looks for tasks of the dead where nothing tells of any."""
RESCUE_BATCH = 500
log = get_logger(__name__)


class Watcher:
    """One process's death watch over the heartbeat counters."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._watch = DeathWatch(stores.settings.lease_seconds)
        self._living: AbstractSet[UUID] = frozenset()
        self._next_rescue = 0.0

    def failed(self) -> None:
        self._watch.failed()

    async def judge(self, counters: Mapping[UUID, int], *, asked_at: float, answered_at: float) -> None:
        """Declare whom this reading shows dead, then take back every task of the dead.

        Whatever goes wrong with the database is logged, and the watch starts anew: it must never end.
        """
        try:
            suspects = self._watch.read(counters, asked_at=asked_at, answered_at=answered_at)
            for suspect in suspects:
                await self._declare(suspect)
            # Who is gone from the living may have been declared by a watcher that came no further.
            if suspects or self._living - counters.keys() or answered_at >= self._next_rescue:
                self._next_rescue = answered_at + RESCUE_SECONDS
                await rescue(self._stores)
                self._living = frozenset(counters)
        except StoreUnavailable:
            self._watch.failed()
        except SQLAlchemyError:
            log.exception("death_watch_failed")
            self._watch.failed()

    async def _declare(self, suspect: Suspect) -> None:
        async with self._stores.db.autocommit() as session:
            if await statements.declare_dead(session, suspect.worker_id, suspect.beat):
                WORKERS_DIED.add()
                log.warning("worker_declared_dead", dead=str(suspect.worker_id), beat=suspect.beat)


async def watch_for_ever(stores: Stores) -> None:
    """Read, judge and rescue again and again, until cancelled: the API's part."""
    watcher = Watcher(stores)
    while True:
        asked_at = time.monotonic()
        try:
            async with stores.db.autocommit() as session:
                counters = await statements.counters(session)
        except StoreUnavailable:
            watcher.failed()
        except SQLAlchemyError as error:
            # Not migrated yet, say.
            log.warning("death_watch_failed", error=type(error).__name__)
            watcher.failed()
        else:
            await watcher.judge(counters, asked_at=asked_at, answered_at=time.monotonic())
        await asyncio.sleep(WATCH_SECONDS)


async def rescue(stores: Stores) -> int:
    """Take back the running tasks of workers that do not live; returns how many."""
    rescued = 0
    while True:
        async with stores.db.autocommit() as session:
            batch = await statements.rescue(session, most=RESCUE_BATCH)
        _told(stores, batch, Name.LOST)
        rescued += len(batch)
        if batch:
            TASKS_RESCUED.add(by=len(batch))
            log.warning("tasks_rescued", count=len(batch))
        if len(batch) < RESCUE_BATCH:
            return rescued


async def release_unknown(stores: Stores, worker_id: UUID, knows: Callable[[UUID, UUID], bool]) -> int:
    """Give back what the rows say ``worker_id`` runs under a lease that it does not know.

    Such a run began with a claim whose reply was lost. ``knows(task_id, lease)`` is asked after the rows
    were read, so a claim that lands in between is known.
    """
    async with stores.db.autocommit() as session:
        runs = await statements.owned(session, worker_id)
        unknown = [run for run in runs if not knows(*run)]
        if not unknown:
            return 0
        released = await statements.release(session, unknown)
    _told(stores, released, Name.RETRIED)
    log.warning("unknown_leases_released", count=len(released))
    return len(released)


def _told(stores: Stores, tasks: list[Task], name: Name) -> None:
    stores.feed.tell(moved(task, name) for task in tasks)
    ended = [task for task in tasks if task.status.is_final]
    stores.announce([final_of(task) for task in ended])
    for task in ended:
        TASKS_ENDED.add(task.type, task.queue, task.status.value)
    # One that ended leaves its place under a limit to others.
    hint(stores, [task for task in tasks if task.limits or not task.status.is_final])

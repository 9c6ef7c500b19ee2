"""The queues of a tenant: how full they are, pause and resume, and the purge of what waits.

A pause is a row that every claim reads, and Redis knows nothing of it. A queue exists if this service serves it, if a
task type names it, or if something of the tenant waits, runs or is paused in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, replace

from shared.broker.announce import Final
from shared.broker.hints import LUA_BATCH, hint_of
from shared.broker.throughput import throughput
from shared.db.statements import queues as statements
from shared.db.statements.queues import Cancelled, Load, Place
from shared.domain.errors import NotFound
from shared.domain.happenings import Happening, Name
from shared.domain.states import Status
from shared.queue.audit import Actor, note
from shared.queue.stores import Stores
from shared.registry import Registry

MOST_COUNTED = 10_000
"""Waiting tasks of one queue and priority that are counted."""
PURGE_BATCH = 500
PURGE_SECONDS = 5.0
"""How long one purge works; what is left is said, and the caller repeats it."""
CLAIM_LOOKS = 200
CLAIM_LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class QueueState:
    """One queue as a tenant sees it. ``throughput`` is tasks a second, None without Redis."""

    name: str
    load: Load
    running: int
    is_paused: bool
    throughput: float | None = None


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge found and did. ``has_more``: there is more than it counted, or than it had the time for."""

    matched: int
    cancelled: int
    has_more: bool


def served_queues(registry: Registry, configured: Collection[str]) -> list[str]:
    """The queues a task can be submitted to."""
    return list(dict.fromkeys([*configured, *(definition.queue for definition in registry)]))


async def list_queues(stores: Stores, tenant_id: int, served: Collection[str]) -> list[QueueState]:
    """The queues in ``served``, and every other one in which the tenant has something. Raises: StoreUnavailable."""
    found = await _read(stores, tenant_id, served)
    ended = await throughput(stores.broker, tenant_id, [queue.name for queue in found])
    return found if ended is None else [replace(queue, throughput=ended[queue.name]) for queue in found]


async def due_loads(stores: Stores, tenant_id: int) -> dict[str, Load]:
    """What is due of the tenant's, by queue that has any. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        names = await statements.names(session)
        loads = await statements.loads(session, tenant_id, names, most=MOST_COUNTED)
    return {name: load for name, load in loads.items() if load.waiting}


async def get_queue(stores: Stores, tenant_id: int, served: Collection[str], name: str) -> QueueState:
    """One of these. Raises: NotFound, StoreUnavailable."""
    for queue in await list_queues(stores, tenant_id, served):
        if queue.name == name:
            return queue
    raise NotFound


async def pause(stores: Stores, tenant_id: int, name: str, by: Actor | None = None) -> None:
    """Give none of the tenant's tasks out of ``name``. What runs, runs on. Raises: StoreUnavailable.

    A claim that began before the pause was there to be read may be under way still: they are waited for.
    """
    async with stores.db.transaction() as session:
        await statements.set_paused(session, tenant_id, name, is_paused=True)
        await note(session, by, "queue.pause", name)
    async with stores.db.autocommit() as session:
        since = await statements.now(session)
        for _ in range(CLAIM_LOOKS):
            if not await statements.somebody_still_claims(session, since):
                return
            await asyncio.sleep(CLAIM_LOOK_SECONDS)


async def resume(stores: Stores, tenant_id: int, name: str, by: Actor | None = None) -> None:
    """Give tasks out again, and hint the first of them, which wakes the workers. Raises: StoreUnavailable."""
    async with stores.db.transaction() as session:
        await statements.set_paused(session, tenant_id, name, is_paused=False)
        await note(session, by, "queue.resume", name)
        due = await statements.next_due(session, tenant_id, name, most=LUA_BATCH)
    stores.hint([hint_of(task_id, name, priority, limits) for task_id, priority, limits in due])


async def purge(stores: Stores, tenant_id: int, name: str, by: Actor | None = None) -> Purged:
    """Cancel what waits in ``name``, due or not, as of now: batch by batch, for a few seconds at most.

    A batch is one statement. Whatever ends the purge in between leaves each task either waiting or CANCELLED, and the
    next one goes on. Raises: StoreUnavailable.
    """
    ends_at = time.monotonic() + PURGE_SECONDS
    cancelled, place = 0, Place()
    async with stores.db.transaction() as session:
        # Before the first batch: a purge that is cut off was made all the same.
        await note(session, by, "queue.purge", name)
        before = await statements.now(session)
    while time.monotonic() < ends_at:
        async with stores.db.autocommit() as session:
            batch = await statements.purge(session, tenant_id, name, before=before, after=place, most=PURGE_BATCH)
        _tell(stores, tenant_id, name, batch)
        cancelled += len(batch)
        if len(batch) < PURGE_BATCH:
            return Purged(cancelled, cancelled, has_more=False)
        place = max(task.place for task in batch)
    return Purged(cancelled, cancelled, has_more=True)


async def would_purge(stores: Stores, tenant_id: int, name: str) -> Purged:
    """What a purge would find; nothing is cancelled. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await statements.loads(session, tenant_id, [name], most=MOST_COUNTED)
    load = found.get(name, Load())
    return Purged(load.waiting + load.delayed, 0, load.is_cut)


async def _read(stores: Stores, tenant_id: int, served: Collection[str]) -> list[QueueState]:
    """What PostgreSQL knows of them. Other tenants' queues are left out."""
    async with stores.db.autocommit() as session:
        paused = await statements.paused(session, tenant_id)
        running = await statements.running(session, tenant_id)
        others = {*await statements.names(session), *paused, *running}.difference(served)
        names = [*served, *sorted(others)]
        loads = await statements.loads(session, tenant_id, names, most=MOST_COUNTED)
    states = [QueueState(n, loads.get(n, Load()), running.get(n, 0), n in paused) for n in names]
    return [state for state in states if state.name in served or _holds_something(state)]


def _holds_something(queue: QueueState) -> bool:
    return bool(queue.is_paused or queue.running or queue.load.waiting or queue.load.delayed)


def _tell(stores: Stores, tenant_id: int, queue: str, batch: list[Cancelled]) -> None:
    status = Status.CANCELLED
    stores.feed.tell(
        Happening(Name.CANCELLED, tenant_id, t.id, t.type, queue, status, t.attempt, t.generation) for t in batch
    )
    for task in batch:
        stores.finals.tell(task.id)
    stores.announce([Final(t.id, t.generation, t.attempt, status, None, t.error) for t in batch])

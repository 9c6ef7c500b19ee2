"""Settle: write the end of a run, hint its retry, announce what became final. After the commit, never before."""

from __future__ import annotations

from uuid import UUID

from shared.broker.announce import announce_finals
from shared.db.statements import moves
from shared.db.statements import settle as statements
from shared.db.statements.settle import Settlement
from shared.domain.task import Task
from shared.queue.stores import Stores
from shared.queue.submit import hint

__all__ = ["Settlement", "cancels_among", "expire", "settle"]


async def settle(stores: Stores, settlement: Settlement) -> Task | None:
    """The task as it now stands, or None: the lease was lost, and nothing was written. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        settled = await statements.settle(session, [settlement])
    task = settled.get(settlement.id)
    if task is None:
        return None
    if task.status.is_final:
        await announce_finals(stores.broker, [task], stores.settings.result_ttl)
    else:
        hint(stores, [task])
    return task


async def cancels_among(stores: Stores, runs: list[tuple[UUID, UUID]]) -> set[UUID]:
    """Which of ``runs`` (task id, lease) somebody wants cancelled."""
    async with stores.db.autocommit() as session:
        return await moves.cancels_among(session, runs)


async def expire(stores: Stores, *, most: int = 500) -> int:
    """Fail waiting tasks past their ``expires_at``; returns how many."""
    async with stores.db.autocommit() as session:
        late = await moves.expire(session, most=most)
    if late:
        await announce_finals(stores.broker, late, stores.settings.result_ttl)
    return len(late)

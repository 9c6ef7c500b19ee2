"""Settle: write the end of a run, hint its retry, announce what became final. After the commit, never before."""

from __future__ import annotations

from shared.broker.announce import announce_finals
from shared.db.statements import lookup, moves
from shared.db.statements import settle as statements
from shared.db.statements.settle import Settlement
from shared.domain.task import Task
from shared.queue.stores import Stores
from shared.queue.submit import hint

__all__ = ["Settlement", "expire", "settle"]


async def settle(stores: Stores, tenant_id: int, settlement: Settlement) -> Task | None:
    """The task as it now stands, or None: the lease was lost, and nothing was written.

    Where the lease is lost the row is read, and announced if it is final: perhaps an earlier call wrote
    it, and its reply never came. Raises: StoreUnavailable, Unstorable.
    """
    async with stores.db.autocommit() as session:
        settled = await statements.settle(session, [settlement])
        task = settled.get(settlement.id) or await lookup.get_task(session, tenant_id, settlement.id)
    if task is not None and task.status.is_final:
        await announce_finals(stores.broker, [task], stores.settings.result_ttl)
    elif task is not None and settled:
        hint(stores, [task])
    return settled.get(settlement.id)


async def expire(stores: Stores, *, most: int = 500) -> int:
    """Fail waiting tasks past their ``expires_at``; returns how many."""
    async with stores.db.autocommit() as session:
        late = await moves.expire(session, most=most)
    if late:
        await announce_finals(stores.broker, late, stores.settings.result_ttl)
    return len(late)

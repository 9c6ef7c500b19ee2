"""Operations as people handle them: read, listed, cancelled; and forgotten after a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.db.statements import operations as statements
from shared.domain.errors import Conflict, NotFound
from shared.domain.ids import first_id_at
from shared.domain.operations import Operation
from shared.queue.audit import Actor, note
from shared.queue.pruning import prune_in_batches
from shared.queue.stores import Stores

KEPT_SECONDS = 7 * 86_400.0


async def get_operation(stores: Stores, tenant_id: int, operation_id: UUID) -> Operation:
    """Raises: NotFound, StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await statements.get(session, tenant_id, operation_id)
    if found is None:
        raise NotFound
    return found


async def list_operations(stores: Stores, tenant_id: int, *, limit: int, before: UUID | None = None) -> list[Operation]:
    """Newest first."""
    async with stores.db.autocommit() as session:
        return await statements.page(session, tenant_id, limit=limit, before=before)


async def cancel_operation(stores: Stores, tenant_id: int, operation_id: UUID, by: Actor | None = None) -> Operation:
    """Let no further step begin; what was done stays done. Raises: NotFound; Conflict, where it is over."""
    async with stores.db.transaction() as session:
        cancelled = await statements.cancel(session, tenant_id, operation_id)
        if cancelled is not None:
            await note(session, by, "operation.cancel", operation_id)
    if cancelled is None:
        found = await get_operation(stores, tenant_id, operation_id)
        raise Conflict(f"The operation is {found.state}: only a running one can be cancelled.")
    return cancelled


async def prune_operations(stores: Stores) -> int:
    """Forget those that were over a week ago; how many. Raises: StoreUnavailable."""
    before = first_id_at(datetime.now(UTC) - timedelta(seconds=KEPT_SECONDS))
    return await prune_in_batches(
        stores, lambda session, most: statements.prune(session, before=before, after=KEPT_SECONDS, most=most)
    )

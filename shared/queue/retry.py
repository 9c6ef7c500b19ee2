"""Retry by a person: a FAILED or CANCELLED task starts anew in the next generation."""

from __future__ import annotations

from uuid import UUID

from shared.db.statements import lookup, moves
from shared.domain.errors import Conflict, NotFound
from shared.domain.happenings import moved
from shared.domain.task import Task
from shared.queue.stores import Stores
from shared.queue.submit import hint


async def retry(stores: Stores, tenant_id: int, task_id: UUID) -> Task:
    """The task, PENDING again. Raises: NotFound; Conflict unless it is FAILED or CANCELLED, and its unique key free."""
    async with stores.db.autocommit() as session:
        task = await moves.retry(session, tenant_id, task_id)
        if task is None:
            found = await lookup.get_task(session, tenant_id, task_id)
            if found is None:
                raise NotFound
            raise Conflict(f"The task is {found.status}: only FAILED or CANCELLED ones can be retried.")
    stores.feed.tell([moved(task)])
    hint(stores, [task])
    return task

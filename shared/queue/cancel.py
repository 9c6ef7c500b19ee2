"""Cancel: at once where the task waits, as a request where it runs."""

from __future__ import annotations

from uuid import UUID

from shared.broker.announce import announce_cancels, final_of
from shared.db.statements import lookup, moves
from shared.domain.cancels import CancelRequest
from shared.domain.errors import Conflict, NotFound
from shared.domain.happenings import moved
from shared.domain.task import Task
from shared.queue.stores import Stores


async def cancel(stores: Stores, tenant_id: int, task_id: UUID) -> Task:
    """The task, CANCELLED if it waited; PROCESSING with ``cancel_requested`` if it runs.

    Raises: NotFound; Conflict if it is final.
    """
    async with stores.db.autocommit() as session:
        task = await moves.cancel(session, tenant_id, task_id)
        if task is None:
            found = await lookup.get_task(session, tenant_id, task_id)
            if found is None:
                raise NotFound
            raise Conflict(f"The task is {found.status}: only a task that is not final can be cancelled.")
    if task.status.is_final:
        stores.finals.tell(task.id)
        stores.feed.tell([moved(task)])
        stores.announce([final_of(task)])
    else:
        await announce_cancels(stores.broker, [CancelRequest(task.id, task.generation)])
    return task

"""Look up: one task (now, or once it is final), a page of them, the attempts of one."""

from __future__ import annotations

import asyncio
from uuid import UUID

from shared.broker.progress import read_progress
from shared.db.session import LONG_SECONDS
from shared.db.statements import lookup as statements
from shared.domain.errors import NotFound
from shared.domain.states import Status
from shared.domain.task import Attempt, Task, TaskFilter
from shared.queue.stores import Stores


async def get_task(stores: Stores, tenant_id: int, task_id: UUID) -> Task:
    """The task with its live progress. Raises: NotFound, StoreUnavailable."""
    task = await _read(stores, tenant_id, task_id)
    if task.status is Status.PROCESSING and (live := await read_progress(stores.broker, task)):
        return task._replace(progress=live)
    return task


async def wait_final(stores: Stores, tenant_id: int, task_id: UUID, timeout: float) -> Task:
    """The task as soon as it is final, or as it stands after ``timeout`` seconds, or when this process ends.

    Raises as ``get_task`` does.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        with stores.finals.watching(task_id) as watch:
            task = await get_task(stores, tenant_id, task_id)
            left = deadline - asyncio.get_running_loop().time()
            if task.status.is_final or left <= 0 or stores.finals.is_ending:
                return task
            await watch.within(left)


async def list_tasks(
    stores: Stores, tenant_id: int, wanted: TaskFilter, *, limit: int, before: UUID | None = None
) -> tuple[list[Task], bool]:
    """A page, newest first, and whether more follow: also where it is short. Progress is the last saved one."""
    async with stores.db.autocommit(within=LONG_SECONDS) as session:
        return await statements.list_tasks(session, tenant_id, wanted, limit=limit, before=before)


async def list_attempts(stores: Stores, tenant_id: int, task_id: UUID) -> list[Attempt]:
    """Every run of the task, oldest first. Raises: NotFound."""
    async with stores.db.autocommit() as session:
        if await statements.get_task(session, tenant_id, task_id) is None:
            raise NotFound
        return await statements.list_attempts(session, task_id)


async def _read(stores: Stores, tenant_id: int, task_id: UUID) -> Task:
    task = await stores.batches.lookups.add((tenant_id, task_id))
    if task is None:
        raise NotFound
    return task

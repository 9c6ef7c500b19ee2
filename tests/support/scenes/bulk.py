"""Bulk verbs that meet: two processes at one operation, a cancel of it, tasks that come late or are somebody else's."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

from shared.domain.operations import BulkAction, Operation, Selection
from shared.domain.states import Status
from shared.domain.task import TaskFilter
from shared.domain.verdict import failed
from shared.queue import bulk
from shared.queue.bulk import begin, step
from shared.queue.operations import cancel_operation
from shared.queue.stores import Stores
from tests.support.model import observe
from tests.support.scenes.making import ERROR, by_poll, ended, execute, row, running, submitted
from tests.support.scenes.operations import OTHER_TENANT
from tests.support.stores import registered
from tests.support.verbs import TENANT, until_met, within

ALL = Selection(wanted=TaskFilter())
CANCEL, RETRY, DELETE = BulkAction.CANCEL, BulkAction.RETRY, BulkAction.DELETE
ONE_AT_A_TIME = patch.object(bulk, "MOVED_AT_ONCE", 1)


async def begun(stores: Stores, action: BulkAction, chosen: Selection = ALL, tenant_id: int = TENANT) -> Operation:
    async with stores.db.autocommit() as session:
        return await begin(session, tenant_id, action, chosen)


async def two_processes_take_a_step(stores: Stores) -> None:
    for _ in range(2):
        await submitted(stores)
    operation = await begun(stores, CANCEL)
    with ONE_AT_A_TIME:
        async with stores.db.transaction() as session:
            assert await step(within(stores, session), operation) is not None
            other = asyncio.ensure_future(step(stores, operation))
            await until_met(session, other)
        assert await other is None, "two processes took the same step"


async def a_cancelled_operation_is_taken_up(stores: Stores) -> None:
    task = await submitted(stores)
    operation = await begun(stores, CANCEL)
    await cancel_operation(stores, TENANT, operation.id)
    await step(stores, operation)
    assert (await row(stores, task.id)).status is Status.PENDING, "a cancelled operation went on"


async def a_retried_task_fails_again(stores: Stores) -> None:
    who = await registered(stores)
    for _ in range(2):
        await ended(stores, await running(stores, who), failed(ERROR))
    operation = await begun(stores, RETRY, Selection(wanted=TaskFilter(statuses=(Status.FAILED,))))
    with ONE_AT_A_TIME:
        for _ in range(2):
            await step(stores, operation)
            for run in await by_poll(stores, who, operation.id):
                await ended(stores, run, failed(ERROR))
    assert {seen.generation for seen in (await observe(stores)).values()} == {2}, "an operation came twice to one task"


async def another_tenants_operation(stores: Stores) -> None:
    task = await submitted(stores)
    await execute(stores, OTHER_TENANT)
    try:
        await step(stores, await begun(stores, CANCEL, tenant_id=2))
        assert (await row(stores, task.id)).status is Status.PENDING, "an operation took another tenant's task"
    finally:
        await execute(stores, "DELETE FROM operations")
        await execute(stores, "DELETE FROM tenants WHERE id = 2")


async def a_task_comes_later(stores: Stores) -> None:
    operation = await begun(stores, CANCEL)
    task = await submitted(stores)
    await step(stores, operation)
    assert (await row(stores, task.id)).status is Status.PENDING, "an operation took a task that came after it"


async def a_waiting_task_is_to_be_deleted(stores: Stores) -> None:
    task = await submitted(stores)
    await step(stores, await begun(stores, DELETE))
    assert task.id in await observe(stores), "a task that waits was deleted"


async def a_waiting_task_is_to_be_retried(stores: Stores) -> None:
    task = await submitted(stores)
    await step(stores, await begun(stores, RETRY))
    assert (await row(stores, task.id)).generation == 1, "a generation began by itself"


async def two_failed_with_one_key(stores: Stores) -> None:
    for _ in range(2):
        await ended(stores, await running(stores, unique_key=b"one"), failed(ERROR))
    for _ in range(3):
        await step(stores, await begun(stores, RETRY))
    waiting = [seen for seen in (await observe(stores)).values() if seen.status is Status.PENDING]
    assert len(waiting) == 1, "tasks with one key hold each other up"


async def a_filter_fits_no_more(stores: Stores) -> None:
    """The task is claimed, not committed, when the step has found it waiting."""
    task, who = await submitted(stores), await registered(stores)
    operation = await begun(stores, CANCEL, Selection(wanted=TaskFilter(statuses=(Status.PENDING,))))
    async with stores.db.transaction() as session:
        await by_poll(within(stores, session), who, task.id)
        stepping = asyncio.ensure_future(step(stores, operation))
        await until_met(session, stepping)
    await stepping
    assert not (await row(stores, task.id)).cancel_requested, "a task was moved that did not fit"

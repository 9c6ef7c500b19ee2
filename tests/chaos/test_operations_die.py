"""Processes die in the middle of an operation: every task is moved once, and the counts are what was done."""

from __future__ import annotations

import asyncio
import signal
from unittest.mock import patch

import pytest

from shared.domain.operations import BulkAction, OperationState, Selection
from shared.domain.states import Status
from shared.domain.task import TaskFilter
from shared.domain.verdict import failed
from shared.queue import bulk
from shared.queue.bulk import run_operations
from shared.queue.operations import get_operation
from shared.queue.stores import Stores
from tests.chaos.conftest import Stage
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.faults import connected, until_value
from tests.support.model import observe
from tests.support.scenes.bulk import begun
from tests.support.scenes.making import ERROR, ended, execute, running, submitted
from tests.support.stores import registered
from tests.support.verbs import TENANT

TASKS = 10_000
BATCHES = 3
DONE = "SELECT max(done) FROM operations"
STATE = "SELECT state FROM operations"
HALF_MOVED = """
    SELECT count(*) FROM tasks
    WHERE (status, version, cancel_requested, finished_at IS NOT NULL)
          NOT IN (('PENDING', 1, false, false), ('CANCELLED', 2, true, true))
"""


@pytest.mark.chaos
async def test_an_operation_whose_workers_are_killed_ends_with_honest_counts(stage: Stage) -> None:
    async with stage.running(workers=1) as [_, worker], stage.load() as load, stage.service.client() as client:
        await client.pause_queue("demo_tasks")
        for _ in range(BATCHES):
            await load.submit_batch(TASKS)
        operation = await client.cancel_many(queue="demo_tasks")
        assert not operation.is_over
        for least in (3_000, 9_000):
            await until_value(stage.database_url, f"SELECT ({DONE}) >= $1", least, is_=True)
            killed = worker.child
            killed.send(signal.SIGKILL)
            await worker.replaced(killed)
            async with connected(stage.database_url) as database:
                assert await database.fetchval(HALF_MOVED) == 0
                assert await database.fetchval(STATE) == "running", "the kill came in the middle"
        over = await client.wait_operation(operation.id or "", timeout=60)
        assert (over.state, over.matched, over.done) == ("done", TASKS * BATCHES, TASKS * BATCHES)
        async with connected(stage.database_url) as database:
            assert await database.fetchval("SELECT count(*) FROM tasks WHERE version = 2") == TASKS * BATCHES


ACTIONS = {
    BulkAction.CANCEL: (Status.PENDING, Status.CANCELLED),
    BulkAction.RETRY: (Status.FAILED, Status.PENDING),
    BulkAction.DELETE: (Status.FAILED, None),
}


PAIRS = [
    *((BulkAction.RETRY, harm) for harm in Harm),
    (BulkAction.CANCEL, Harm.DIES_AFTER),
    (BulkAction.DELETE, Harm.REPLY_LOST),
]


@pytest.mark.parametrize(("action", "harm"), PAIRS, ids=lambda one: one.name.lower())
async def test_whatever_happens_at_an_await_each_task_is_moved_once(
    stores: Stores, action: BulkAction, harm: Harm
) -> None:
    struck = 0
    with patch.object(bulk, "MOVED_AT_ONCE", 1):
        while await _told(stores, action, Failpoints(harm, struck)):
            struck += 1
    assert struck >= 8, "connect and look, and three times connect and step"


async def _told(stores: Stores, action: BulkAction, points: Failpoints) -> bool:
    """An operation, with harm at one await of a worker; another comes after. False: there is no such await any more."""
    for emptying in ("DELETE FROM tasks", "DELETE FROM workers", "DELETE FROM operations"):
        await execute(stores, emptying)
    before, after = ACTIONS[action]
    for _ in range(2):
        if before is Status.FAILED:
            await ended(stores, await running(stores, await registered(stores)), failed(ERROR))
        else:
            await submitted(stores)
    versions = {task_id: row.version for task_id, row in (await observe(stores)).items()}
    operation = await begun(stores, action, Selection(wanted=TaskFilter(statuses=(before,))))
    [said] = await asyncio.gather(asyncio.ensure_future(run_operations(harmed(stores, points))), return_exceptions=True)
    assert points.has_struck or not isinstance(said, BaseException), said
    assert not isinstance(said, Died) or points.has_struck
    await run_operations(stores)
    over = await get_operation(stores, TENANT, operation.id)
    assert (over.state, over.matched, over.done, over.skipped) == (OperationState.DONE, 2, 2, {}), points.passed
    rows = await observe(stores)
    assert {row.status for row in rows.values()} == ({after} if after else set())
    assert all(row.version == versions[task_id] + 1 for task_id, row in rows.items()), "moved once"
    return points.has_struck

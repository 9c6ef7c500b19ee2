"""What the scenes are made of: tasks, runs, claims, and the death of every worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.domain.ids import new_id
from shared.domain.task import ClaimedTask, NewTask, Task
from shared.domain.verdict import TaskError, Verdict, retried
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.settle import Settled, Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.support.model import Seen, observe
from tests.support.stores import registered
from tests.support.verbs import TENANT

Scene = Callable[[Stores], Awaitable[None]]
Claim = Callable[[Stores, Claimant, UUID], Awaitable[list[ClaimedTask]]]
ERROR = TaskError("ConnectionError", "it broke", retryable=True)
AT_ONCE = retried(ERROR, timedelta(0))


async def submitted(stores: Stores, **given: Any) -> Task:
    fields: dict[str, Any] = {"id": new_id(), "type": "simple_calculation", "input": {}, "queue": "demo_tasks"}
    limits: dict[str, Any] = {"priority": 5, "timeout": 60.0, "max_attempts": 4}
    return (await submit(stores, TENANT, [NewTask(**{**fields, **limits, **given})]))[0]


async def by_hint(stores: Stores, who: Claimant, task_id: UUID) -> list[ClaimedTask]:
    return await claim_hinted(stores, who, [task_id])


async def by_poll(stores: Stores, who: Claimant, _: UUID) -> list[ClaimedTask]:
    return await claim_next(stores, who, 10)


async def running(stores: Stores, who: Claimant | None = None, **given: Any) -> ClaimedTask:
    task = await submitted(stores, **given)
    [run] = await by_hint(stores, who or await registered(stores), task.id)
    return run


async def ended(stores: Stores, run: ClaimedTask, verdict: Verdict) -> Settled | None:
    return (await settle(stores, [Settlement(TENANT, run.id, run.lease, verdict, None)]))[0]


async def row(stores: Stores, task_id: UUID) -> Seen:
    return (await observe(stores))[task_id]


async def execute(stores: Stores, statement: str, **parameters: object) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text(statement), parameters)


async def die(stores: Stores) -> None:
    """Every worker there is."""
    await execute(stores, "UPDATE workers SET state = 'dead'")

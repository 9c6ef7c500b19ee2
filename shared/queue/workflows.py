"""Workflows: submit, read, cancel and retry a graph of tasks.

Its nodes go on by themselves: a trigger on ``tasks`` (tasks_follow) makes the tasks that follow in the statement that
ends those before them, whatever statement that is. Here is what people ask for, and what must be told afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.broker.announce import announce_cancels, announce_finals, final_of
from shared.broker.hints import hint_of
from shared.db.session import LONG_SECONDS
from shared.db.statements import workflow_moves as moves
from shared.db.statements import workflows as statements
from shared.db.statements.workflow_moves import Fresh
from shared.domain.cancels import CancelRequest
from shared.domain.errors import Conflict, NotFound
from shared.domain.happenings import Happening, Name, moved
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.workflow import NewWorkflow, Node, Workflow
from shared.queue.stores import Stores

CANCEL_BATCH = 500
UNFINISHED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """A workflow with its nodes; ``fresh`` are tasks to be announced once it is committed."""

    workflow: Workflow
    nodes: list[Node]
    fresh: Sequence[Fresh] = ()


async def submit(stores: Stores, tenant_id: int, new: NewWorkflow) -> Shown:
    """Store a workflow and announce the tasks it begins with. Raises: StoreUnavailable, Unstorable."""
    async with stores.db.transaction(within=LONG_SECONDS) as session:
        stored = await store(session, tenant_id, new)
    announce(stores, stored.fresh)
    return stored


async def store(session: AsyncSession, tenant_id: int, new: NewWorkflow) -> Shown:
    """Only store, in the transaction of ``session``; the caller announces after its commit."""
    await statements.insert(session, tenant_id, new)
    shown = await _shown(session, tenant_id, new.id)
    return replace(shown, fresh=await moves.waiting(session, tenant_id, new.id))


def announce(stores: Stores, fresh: Sequence[Fresh]) -> None:
    """Tell of committed tasks, and hint them: behind the answer, droppable."""
    stores.feed.tell(_submitted(task) for task in fresh if task.is_made)
    stores.hint([hint_of(t.id, t.queue, t.priority, t.limits, t.delay_ms) for t in fresh])


async def get(stores: Stores, tenant_id: int, workflow_id: UUID) -> Shown:
    """Raises: NotFound, StoreUnavailable."""
    async with stores.db.autocommit(within=LONG_SECONDS) as session:
        return await _shown(session, tenant_id, workflow_id)


async def page(stores: Stores, tenant_id: int, *, limit: int, before: UUID | None = None) -> list[Workflow]:
    """Newest first. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        return await statements.page(session, tenant_id, limit=limit, before=before)


async def cancel(stores: Stores, tenant_id: int, workflow_id: UUID) -> Shown:
    """Cancel what waits, ask what runs to stop. Final, if nothing ran.

    The first statement makes it lasting: nothing begins any more. If this process dies before it has told every task,
    a worker does. Raises: NotFound; Conflict if it is final; StoreUnavailable.
    """
    async with stores.db.autocommit(within=LONG_SECONDS) as session:
        if not await moves.cancel(session, tenant_id, workflow_id):
            found = (await _shown(session, tenant_id, workflow_id)).workflow
            raise Conflict(f"The workflow is {found.status}: only one that is not final can be cancelled.")
    await _cancel_tasks(stores, tenant_id, workflow_id)
    return await get(stores, tenant_id, workflow_id)


async def finish_cancels(stores: Stores) -> None:
    """Tell the tasks of cancelled workflows that nobody told. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        found = await moves.half_cancelled(session, most=UNFINISHED_AT_ONCE)
    for tenant_id, workflow_id in found:
        await _cancel_tasks(stores, tenant_id, workflow_id)


async def retry(stores: Stores, tenant_id: int, workflow_id: UUID) -> Shown:
    """Do again what did not complete, by new tasks; what completed is kept.

    Raises: NotFound; Conflict unless it is FAILED or CANCELLED; StoreUnavailable.
    """
    async with stores.db.transaction(within=LONG_SECONDS) as session:
        is_begun = await moves.retry(session, tenant_id, workflow_id)
        shown = await _shown(session, tenant_id, workflow_id)
        fresh = await moves.waiting(session, tenant_id, workflow_id) if is_begun else []
    if not is_begun:
        status = shown.workflow.status
        raise Conflict(f"The workflow is {status}: only FAILED or CANCELLED ones can be retried.")
    announce(stores, fresh)
    return shown


def _submitted(task: Fresh) -> Happening:
    status = Status.SCHEDULED if task.delay_ms else Status.PENDING
    return Happening(Name.SUBMITTED, task.tenant_id, task.id, task.type, task.queue, status, attempt=0, generation=1)


async def _shown(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> Shown:
    workflow = await statements.get(session, tenant_id, workflow_id)
    if workflow is None:
        raise NotFound
    return Shown(workflow, await statements.nodes(session, tenant_id, workflow_id))


async def _cancel_tasks(stores: Stores, tenant_id: int, workflow_id: UUID) -> None:
    while True:
        async with stores.db.autocommit(within=LONG_SECONDS) as session:
            tasks = await moves.cancel_tasks(session, tenant_id, workflow_id, most=CANCEL_BATCH)
        await _tell(stores, tasks)
        if len(tasks) < CANCEL_BATCH:
            return


async def _tell(stores: Stores, tasks: Sequence[Task]) -> None:
    ended = [task for task in tasks if task.status.is_final]
    stores.feed.tell(map(moved, ended))
    for task in ended:
        stores.finals.tell(task.id)
    if ended:
        await announce_finals(stores.broker, [final_of(task) for task in ended], stores.settings.result_ttl)
    if asked := [CancelRequest(task.id, task.generation) for task in tasks if not task.status.is_final]:
        await announce_cancels(stores.broker, asked)

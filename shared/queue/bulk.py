"""Bulk verbs: cancel, retry or delete many tasks, as an operation that whoever is there carries on with.

An operation is a row. Each step of it is one statement that moves some tasks and the cursor that says so: whatever
ends a process in between, no task is moved twice or left out. The request that makes an operation works on it for a
moment; what is left is the workers'. The tasks meant are those created before it that match when they are reached.
"""

from __future__ import annotations

import asyncio
import time
from typing import assert_never

from sqlalchemy.ext.asyncio import AsyncSession

from shared.broker.announce import Final, announce_cancels, forget
from shared.broker.hints import hint_of
from shared.db.statements import bulk as statements
from shared.db.statements import operations as rows
from shared.db.statements.bulk import Moved
from shared.domain.cancels import CancelRequest
from shared.domain.errors import Conflict, StoreUnavailable
from shared.domain.happenings import Happening, Name
from shared.domain.ids import new_id
from shared.domain.operations import BulkAction, Operation, OperationState, Selection, spelled
from shared.domain.states import Status
from shared.logs import get_logger
from shared.queue.audit import Actor, note
from shared.queue.operations import get_operation
from shared.queue.stores import Stores
from shared.queue.survey import LOOKED_AT_ONCE, bounds, found_after

MOVED_AT_ONCE = 500
"""Rows that one statement locks: some 20 ms."""
MOST_RUNNING = 100
"""Operations of one tenant that are not over."""
OWN_TASKS = 1_000
OWN_SECONDS = 1.0
"""What the request itself does, at most, before it leaves the rest to the workers."""
BUSY_SECONDS = 0.01
TOTAL_SECONDS = 0.5
ROUND_SECONDS = 10.0
"""A worker's turn; the next one goes on where it ended."""
PAUSES = 1
"""The length of a pause, in lengths of the step before it."""
RUNNING_AT_ONCE = 50
log = get_logger(__name__)


async def begin(
    session: AsyncSession, tenant_id: int, action: BulkAction, chosen: Selection, by: Actor | None = None
) -> Operation:
    """Store the operation; nothing is done yet. Raises: Conflict, where too many of the tenant's run."""
    cursor, until = bounds(chosen)
    made = await rows.insert(
        session, tenant_id, new_id(), action, chosen, cursor=cursor, until=until, most_running=MOST_RUNNING
    )
    if made is None:
        raise Conflict(f"{MOST_RUNNING} operations run already: wait for one to end, or cancel it.")
    facts = {"ids": len(chosen.ids)} if chosen.ids is not None else {"filter": spelled(chosen.wanted)}
    await note(session, by, f"tasks.{action}", made.id, **facts)
    return made


async def carry_on(stores: Stores, operation: Operation) -> Operation:
    """Work on a new operation for a moment; as it stands then, with its total if that is quickly found."""
    ends_at = time.monotonic() + OWN_SECONDS
    try:
        while operation.state is OperationState.RUNNING:
            if operation.matched >= OWN_TASKS or time.monotonic() > ends_at:
                return await _with_total(stores, operation)
            stepped = await step(stores, operation)
            if stepped is None:
                await asyncio.sleep(BUSY_SECONDS)  # a worker has just taken a step of it
                stepped = await get_operation(stores, operation.tenant_id, operation.id)
            operation = stepped
    except StoreUnavailable:
        log.warning("operation_left", operation=str(operation.id))  # it is stored: the workers go on
    return operation


async def step(stores: Stores, operation: Operation) -> Operation | None:
    """One step, told once it is committed; None: it is over, or another process is at it. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        done = await statements.step(session, operation, looked=LOOKED_AT_ONCE, most=MOVED_AT_ONCE)
    if done is None:
        return None
    if done.moved:
        await _tell(stores, done.operation, done.moved)
    return done.operation


async def run_operations(stores: Stores) -> int:
    """A worker's turn: a step of each running operation, again and again; returns how many steps it did.

    Every worker may be at it: a step that another one holds is passed by. Raises: StoreUnavailable.
    """
    ends_at, steps = time.monotonic() + ROUND_SECONDS, 0
    while time.monotonic() < ends_at:
        async with stores.db.autocommit() as session:
            running = await rows.running(session, most=RUNNING_AT_ONCE)
        before = steps
        for operation in running:
            steps += await _paced_step(stores, operation)
        if steps == before:
            break
    return steps


async def _paced_step(stores: Stores, operation: Operation) -> bool:
    """A step, and a pause in proportion: half of one connection's time at most."""
    began = time.monotonic()
    try:
        stepped = await step(stores, operation)
    except StoreUnavailable:
        # Perhaps a row it needs is held for long: the operations behind it need not wait for that.
        log.warning("operation_step_skipped", operation=str(operation.id))
        return False
    except Exception:
        # Whatever is wrong with it is not the fault of those behind it.
        log.exception("operation_step_failed", operation=str(operation.id))
        return False
    if stepped is None:
        return False
    if stepped.state is OperationState.DONE:
        seconds = round((stepped.updated_at - stepped.created_at).total_seconds(), 3)
        counts = {"matched": stepped.matched, "done": stepped.done}
        log.info("operation_done", operation=str(stepped.id), action=stepped.action, seconds=seconds, **counts)
    await asyncio.sleep(PAUSES * (time.monotonic() - began))
    return True


async def _with_total(stores: Stores, operation: Operation) -> Operation:
    """With how many there are: those it has met, and those ahead of it, if they can be counted in a moment."""
    if operation.total is not None or operation.filter is None:
        return operation
    place = (Selection(wanted=operation.filter), operation.cursor, operation.until)
    found, is_all = await found_after(stores, operation.tenant_id, *place, seconds=TOTAL_SECONDS)
    if not is_all:
        return operation
    async with stores.db.autocommit() as session:
        return await rows.set_total(session, operation, operation.matched + found.total()) or operation


async def _tell(stores: Stores, operation: Operation, moved: list[Moved]) -> None:
    if operation.action is not BulkAction.DELETE:
        names = {Status.CANCELLED: Name.CANCELLED, Status.PENDING: Name.RETRIED}
        stores.feed.tell(_happening(operation.tenant_id, names[t.status], t) for t in moved if t.status in names)
    match operation.action:
        case BulkAction.CANCEL:
            await _tell_cancelled(stores, moved)
        case BulkAction.RETRY:
            stores.hint([hint_of(task.id, task.queue, task.priority, task.limits) for task in moved])
        case BulkAction.DELETE:
            await forget(stores.broker, [(task.id, task.started_at) for task in moved])
        case _:
            assert_never(operation.action)


def _happening(tenant_id: int, name: Name, task: Moved) -> Happening:
    return Happening(name, tenant_id, task.id, task.type, task.queue, task.status, task.attempt, task.generation)


async def _tell_cancelled(stores: Stores, moved: list[Moved]) -> None:
    """Those that waited have ended; those that run are asked to."""
    ended = [task for task in moved if task.status is Status.CANCELLED]
    asked = [CancelRequest(t.id, t.generation) for t in moved if t.status is Status.PROCESSING]
    for task in ended:
        stores.finals.tell(task.id)
    stores.announce([Final(t.id, t.generation, t.attempt, t.status, None, t.error) for t in ended])
    if asked:
        await announce_cancels(stores.broker, asked)

"""Submit: store planned tasks, tell of them once they are committed, and hint those that are due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.broker.hints import hint_of
from shared.db.lane import Runner
from shared.db.session import LONG_SECONDS
from shared.db.statements import submit as statements
from shared.domain.happenings import submitted
from shared.domain.states import Status
from shared.domain.task import NewTask, Task
from shared.metrics import TASKS_SUBMITTED
from shared.queue.publishing import publishing
from shared.queue.stores import Stores
from shared.queue.unique import insert_or_find

SHARED_WRITE_TASKS = 100
"""More tasks than that are written by themselves: they would hold up those that share the write."""


async def submit(stores: Stores, tenant_id: int, tasks: Sequence[NewTask]) -> list[Task]:
    """Store ``tasks``, all or none, and hint them. Returns them in order; one with another id was there already.

    Raises: StoreUnavailable, Unstorable, Conflict.
    """
    if _has_keys(tasks):
        within = LONG_SECONDS if len(tasks) > SHARED_WRITE_TASKS else None
        async with stores.db.transaction(within=within) as session:
            stored = await store(session, tenant_id, tasks)
    elif len(tasks) > SHARED_WRITE_TASKS:
        async with stores.db.autocommit(within=LONG_SECONDS) as session:
            stored = await store(session, tenant_id, tasks)
    else:
        with publishing(tasks) as traced:
            created_at = await stores.batches.submits.add((tenant_id, traced))
        stored = [_as_stored(tenant_id, task, created_at) for task in traced]
    announce(stores, tasks, stored)
    return stored


async def store(runner: Runner, tenant_id: int, tasks: Sequence[NewTask]) -> list[Task]:
    """Only store; the caller announces after its commit. Where a unique key is taken: the task that has it, instead."""
    with publishing(tasks) as traced:
        if _has_keys(traced):
            inserted, existing = await insert_or_find(runner, tenant_id, traced)
            return [existing.get(task.id) or _as_stored(tenant_id, task, inserted[task.id]) for task in traced]
        created_at = await statements.insert_tasks(runner, [(tenant_id, task) for task in traced])
    return [_as_stored(tenant_id, task, created_at) for task in traced]


def _has_keys(tasks: Sequence[NewTask]) -> bool:
    return any(task.unique_key is not None for task in tasks)


def announce(stores: Stores, planned: Sequence[NewTask], stored: Sequence[Task]) -> None:
    """Tell of what is committed, and hint it. One with another id than ``planned`` was there already."""
    fresh = [task for new, task in zip(planned, stored, strict=True) if task.id == new.id]
    for task in fresh:
        TASKS_SUBMITTED.add(task.type, task.queue)
    stores.feed.tell(map(submitted, fresh))
    hint(stores, stored)


def hint(stores: Stores, tasks: Sequence[Task]) -> None:
    """Hint committed ``tasks``: behind the answer, droppable."""
    stores.hint([hint_of(t.id, t.queue, t.priority, t.limits, delay_ms(t)) for t in tasks])


def delay_ms(task: Task) -> int:
    """How long ``task`` is not due yet, by the database's clock alone."""
    if task.run_at <= task.updated_at:
        return 0
    return round((task.run_at - task.updated_at).total_seconds() * 1000)


def _as_stored(tenant_id: int, task: NewTask, created_at: datetime) -> Task:
    """Its row, of which all was known before but the moment."""
    run_at = task.due_at(created_at)
    return Task(
        id=task.id,
        tenant_id=tenant_id,
        type=task.type,
        queue=task.queue,
        priority=task.priority,
        status=Status.SCHEDULED if run_at > created_at else Status.PENDING,
        version=1,
        attempt=0,
        max_attempts=task.max_attempts,
        generation=1,
        cancel_requested=False,
        input=task.input,
        result=None,
        error=None,
        progress=None,
        tags=task.tags or [],
        metadata=task.metadata or {},
        timeout=task.timeout,
        worker_id=None,
        created_at=created_at,
        updated_at=created_at,
        run_at=run_at,
        expires_at=task.expires_at,
        started_at=None,
        finished_at=None,
        request_id=task.request_id,
        traceparent=task.traceparent,
        limits=task.limits,
    )

"""Submit: plan a task by its type, store it, and hint that it is due."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from shared.broker.hints import hint_of
from shared.db.lane import Runner
from shared.db.session import LONG_SECONDS
from shared.db.statements import submit as statements
from shared.domain.definition import TaskDefinition
from shared.domain.errors import InputRefused
from shared.domain.happenings import submitted
from shared.domain.ids import new_id
from shared.domain.limits import limits_text
from shared.domain.states import Status
from shared.domain.task import NewTask, Task
from shared.domain.unique import key_of
from shared.metrics import TASKS_SUBMITTED
from shared.queue.publishing import publishing
from shared.queue.stores import Stores
from shared.queue.unique import insert_or_find
from shared.registry import Registry
from shared.settings import Settings

SHARED_WRITE_TASKS = 100
"""More tasks than that are written by themselves: they would hold up those that share the write."""


class Request(NamedTuple):
    """What a caller asks for; None means: as the task type says. Durations are seconds."""

    type: str
    input: dict[str, Any]
    queue: str | None = None
    priority: int = 5
    delay: float = 0.0
    run_at: datetime | None = None
    expires_at: datetime | None = None
    timeout: float | None = None
    max_attempts: int | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    request_id: str | None = None
    traceparent: str | None = None
    callback_url: str | None = None
    concurrency_key: str | None = None


def plan(registry: Registry, settings: Settings, request: Request, *, unknown: Collection[str] = ()) -> NewTask:
    """A task ready to store. ``unknown`` are pointers into the input to values that come later: not judged yet.

    Raises: UnknownTaskType; InputRefused (pointers relative to the request: ``/input/…``, ``/queue``).
    """
    definition = registry.get(request.type)
    unique_key = None
    try:
        given = registry.validate_input(request.type, request.input)
        unique_key = key_of(definition.unique, given)
    except InputRefused as refused:
        problems = [("/input" + at, detail) for at, detail in refused.problems if not _may_change(at, unknown)]
        if problems:
            raise InputRefused(problems) from None
    queue = request.queue or definition.queue
    if queue not in settings.queues and queue != definition.queue:
        raise InputRefused([("/queue", f"There is no queue {queue!r}. Known: {', '.join(settings.queues)}.")])
    return NewTask(
        id=new_id(),
        type=request.type,
        input=request.input,
        queue=queue,
        priority=request.priority,
        timeout=request.timeout or definition.timeout,
        max_attempts=request.max_attempts or definition.max_attempts,
        delay=request.delay and round(request.delay, 6),
        run_at=request.run_at,
        expires_at=request.expires_at,
        tags=request.tags,
        metadata=request.metadata,
        request_id=request.request_id,
        traceparent=request.traceparent,
        callback_url=request.callback_url,
        unique_key=unique_key,
        limits=limits_of(definition, settings, queue, request.concurrency_key),
    )


def limits_of(definition: TaskDefinition, settings: Settings, queue: str, key: str | None = None) -> str:
    """The names of the limits that a task of this type has in this queue."""
    has_own = definition.concurrency is not None or definition.rate is not None
    has_queues = queue in settings.queue_concurrency
    if not (has_own or has_queues or key):
        return ""  # most have none
    return limits_text(type=definition.type if has_own else None, queue=queue if has_queues else None, key=key)


def _may_change(at: str, unknown: Collection[str]) -> bool:
    """Whether what stands ``at`` this place holds, or is held by, a value that is not known yet."""
    return any(f"{at}/".startswith(f"{place}/") or f"{place}/".startswith(f"{at}/") for place in unknown)


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

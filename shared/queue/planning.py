"""Planning: from what a caller asks for to a task ready to store, by what its type and the settings say. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from shared.domain.definition import TaskDefinition
from shared.domain.errors import InputRefused
from shared.domain.ids import new_id
from shared.domain.limits import limits_text
from shared.domain.task import DEFAULT_PRIORITY, NewTask
from shared.domain.unique import key_of
from shared.registry import Registry
from shared.settings import Settings


class Request(NamedTuple):
    """What a caller asks for; None means: as the task type says. Durations are seconds."""

    type: str
    input: dict[str, Any]
    queue: str | None = None
    priority: int = DEFAULT_PRIORITY
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

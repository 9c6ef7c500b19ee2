"""Answers of the routes that create: built once, stored under their ``Idempotency-Key``, and sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.dependencies import Caller
from service.preferences import retry_after
from service.views import task_path, task_view, to_json
from shared.domain.task import NewTask, Task
from shared.queue.idempotency import Answer, once
from shared.queue.submit import announce, store

CREATED, EXISTS = 201, 200
EXISTING = {"Existing-Task": "true"}
REPLAYED = {"Idempotent-Replayed": "true"}


def created(view: Any, headers: Mapping[str, str]) -> Answer:
    """A 201 as it is sent, and as it is stored."""
    return Answer(CREATED, dict(headers), to_json(view))


def accepted(new: NewTask, task: Task) -> Answer:
    """201 with the task; 200 where it is not ``new`` but the one that has its unique key."""
    headers = {"Location": task_path(task), "Retry-After": retry_after(task)}
    if task.id == new.id:
        return created(task_view(task), headers)
    return Answer(EXISTS, {**headers, **EXISTING}, to_json(task_view(task)))


async def store_once(
    caller: Caller,
    key: str,
    digest: bytes,
    planned: Sequence[NewTask],
    answer_of: Callable[[list[Task]], Answer],
    *,
    within: float | None = None,
) -> Answer:
    """Store ``planned`` under an ``Idempotency-Key`` and announce them; or replay what the key's first request got.

    ``answer_of`` makes the answer from what was stored; ``within``: seconds for all of it. Raises as ``once`` does.
    """
    stored: list[Task] = []

    async def create(session: AsyncSession) -> Answer:
        stored.extend(await store(session, caller.tenant_id, planned))
        return answer_of(stored)

    answer = await once(caller.stores, caller.tenant_id, key, digest, create, within=within)
    if not answer.is_replay:
        announce(caller.stores, planned, stored)
    return answer


def answered(answer: Answer) -> Response:
    headers = {**answer.headers, **REPLAYED} if answer.is_replay else answer.headers
    return Response(answer.body, answer.status, headers, media_type="application/json")
